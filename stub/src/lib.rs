//! libsandbox.so
#![no_std]
