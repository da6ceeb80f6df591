//! The binary `twinspan`; the library contains everything but `main`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    twinspan::main(std::env::args_os())
}
