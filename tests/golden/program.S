/* Prints "permitted", makes a call that the policy forbids, and prints "forbidden".
 * Needs no C library, so that all of it is in the file. */

#include <sys/syscall.h>

        .globl _start
        .text
_start:
        mov $SYS_write, %eax
        mov $1, %edi
        lea permitted(%rip), %rsi
        mov $(forbidden - permitted), %edx
        syscall
        mov $SYS_getppid, %eax
        syscall
        mov $SYS_write, %eax
        mov $1, %edi
        lea forbidden(%rip), %rsi
        mov $(end - forbidden), %edx
        syscall
        mov $SYS_exit_group, %eax
        xor %edi, %edi
        syscall

        .section .rodata
permitted:
        .ascii "permitted\n"
forbidden:
        .ascii "forbidden\n"
end:
        .section .note.GNU-stack, "", @progbits
