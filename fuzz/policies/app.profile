# firejail
seccomp !chroot,ptrace
seccomp.drop @clock,mount:EPERM
seccomp.32.drop personality
seccomp-error-action kill
