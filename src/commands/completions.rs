//! `completions`: a script for a shell. Values from the journal and from plan files are requested while a line is
//! typed.

use clap_complete::Shell;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::text::Text;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    // Into memory first: the generator panics when the reader of stdout closes it.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut app.command_line(), "twinspan", &mut text);
    ui.text(&Text::document(&String::from_utf8_lossy(&text)))?;
    ui.text(&Text::document(dynamic(args.shell)))?;
    Ok(Exit::Done)
}

/// Completion of runs, steps, choices, inputs, kinds and identities by `twinspan candidates`; the rest is generated.
fn dynamic(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => {
            r#"
_twinspan_candidates() {
    local found
    mapfile -t found < <(twinspan candidates -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [ "${#found[@]}" -gt 0 ]; then
        local word
        COMPREPLY=()
        for word in "${found[@]}"; do COMPREPLY+=("$(printf '%q' "$word")"); done
        return 0
    fi
    _twinspan "$@"
}
complete -F _twinspan_candidates -o nosort -o bashdefault -o default twinspan
"#
        }
        Shell::Zsh => {
            r#"
_twinspan_candidates() {
    local -a found
    found=("${(@f)$(twinspan candidates -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [ -n "${found[1]}" ]; then
        compadd -a found
    else
        _twinspan "$@"
    fi
}
compdef _twinspan_candidates twinspan
"#
        }
        Shell::Fish => {
            r#"
complete -c twinspan -a '(twinspan candidates -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
"#
        }
        _ => "",
    }
}
