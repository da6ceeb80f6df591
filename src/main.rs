//! `twinspan`: see the library half for everything but the end of the process.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    twinspan::main(std::env::args_os())
}
