//! The binary `twinspan`; the library contains everything but `main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    twinspan::main(std::env::args_os())
}
