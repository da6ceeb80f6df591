//! `twinspan`: see the library half for everything but the end of the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    twinspan::main(std::env::args_os())
}
