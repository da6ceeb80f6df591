//! Terraform's providers azapi and azurerm against `twinspan sim`, driven by the plug-in protocol as Terraform drives them:
//! plan, apply, refresh, a plan that has nothing to do, update, import, destroy. The programs are in
//! `tests/clients/terraform/`.
//!
//! `TWINSPAN_TERRAFORM_PROVIDERS` names a folder with the binaries of both providers as they are released
//! (`terraform-provider-azapi…`, `terraform-provider-azurerm…`); `TWINSPAN_TERRAFORM_PYTHON` a Python with the packages of
//! `tests/clients/terraform/requirements.txt`. Terraform itself is not needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::azure::Azure;
use crate::official_clients::{client, command, every_check_holds, play};
use crate::program::wanted;

struct Tools {
    providers: PathBuf,
    python: PathBuf,
}

impl Tools {
    /// `None`, with a notice, if they are missing.
    fn found() -> Option<Tools> {
        let providers = wanted("TWINSPAN_TERRAFORM_PROVIDERS", "the folder of Terraform's providers")?;
        let packages = "a Python with the packages of tests/clients/terraform";
        let python = wanted("TWINSPAN_TERRAFORM_PYTHON", packages)?;
        let (providers, python) = (PathBuf::from(providers), PathBuf::from(python));
        let packages =
            command(&python).args(["-c", "import google.protobuf, grpc, msgpack"]).status().unwrap();
        assert!(
            packages.success(),
            "{} lacks the packages of tests/clients/terraform/requirements.txt (pip install --requirement)",
            python.display()
        );
        Some(Tools { providers, python })
    }

    /// The flow of one provider.
    fn flow(&self, provider: &str, state: &str) -> Command {
        let mut command = command(&self.python);
        command.arg(client("terraform/flow.py")).args([
            self.providers.as_path(),
            Path::new(provider),
            Path::new(state),
        ]);
        command
    }
}

#[test]
fn azurerm_does_the_flow_and_undoes_it() {
    let Some(tools) = Tools::found() else { return };
    every_check_holds("azurerm", &Azure::start(&["--ready-world"]), tools.flow("azurerm", "ready"));
}

#[test]
fn azapi_does_the_flow_in_many_api_versions_and_undoes_it() {
    let Some(tools) = Tools::found() else { return };
    every_check_holds("azapi", &Azure::start(&["--ready-world"]), tools.flow("azapi", "ready"));
}

#[test]
fn where_nothing_is_prepared_both_providers_say_what_is_missing() {
    let Some(tools) = Tools::found() else { return };
    for provider in ["azapi", "azurerm"] {
        let what = format!("{provider}, nothing prepared");
        every_check_holds(&what, &Azure::start(&[]), tools.flow(provider, "unprepared"));
    }
}

/// These checks can fail. (A member that stays Updating is polled by azapi itself, for half an hour.)
#[test]
fn a_simulator_that_is_wrong_is_noticed_by_azapi() {
    let Some(tools) = Tools::found() else { return };
    for (lie, scene) in [
        ("any-tenant-token", "azapi signs in, and is refused with Entra's messages"),
        ("one-half-enough", "azapi creates both sides of a connection"),
        ("eager-connected", "azapi creates both sides of a connection"),
        ("no-auxiliary-check", "azapi adds a member of the other tenant to a group"),
        ("empty-list", "azapi lists what exists"),
        ("delete-deletes-nothing", "azapi deletes everything, in order"),
    ] {
        let azure = Azure::start(&["--ready-world"]);
        azure.post("/_sim/lies", &json!({ lie: true }));
        let said = play(&azure, tools.flow("azapi", "core")).expect(1);
        assert!(said.out.contains(&format!("FAILED  {scene}")), "{lie}: {said:#?}");
    }
}
