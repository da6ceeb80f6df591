//! `apply`: the same command every time, for pipelines. Grown and shrunk tables, other inputs, two jobs at once, a
//! killed job.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, Said, Watched, shipped};
use crate::unattended;
use crate::verify::{MANAGER, Rollout, TARGET};

const PLAN: &str = "\
twinspan: 1
name: groups
summary: A network group for each row
inputs:
  tenant: { type: tenant-id, default: 11111111-0000-0000-0000-00000000000c }
  manager: { type: resource-id, of: Microsoft.Network/networkManagers, default: MANAGER }
  vnet: { type: resource-id, default: VNET }
  groups: { type: map, of: { mesh: { type: bool } } }
identities:
  central: { tenant: \"${{ inputs.tenant }}\" }
steps:
  - id: manager
    uses: avnm.network-manager
    as: central
    with: { id: \"${{ inputs.manager }}\" }
  - id: groups
    for_each: ${{ inputs.groups }}
    steps:
      - id: group
        uses: avnm.network-group
        as: central
        with: { network_manager: \"${{ steps.manager.id }}\", name: \"ng-${{ each.key }}\" }
      - id: member
        uses: avnm.static-member
        as: central
        with: { group: \"${{ steps.group.id }}\", virtual_network: \"${{ inputs.vnet }}\" }
      - id: mesh
        uses: avnm.connectivity-configuration
        as: central
        needs: [member]
        with:
          network_manager: ${{ steps.manager.id }}
          name: mesh-${{ each.key }}
          topology: mesh
          global: ${{ each.value.mesh }}
          groups: [ { group: \"${{ steps.group.id }}\" } ]
";

const VNET: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub";

/// A simulated Azure, and the folder in which a pipeline works.
struct Pipeline {
    azure: Azure,
    home: Home,
}

impl Pipeline {
    fn new() -> Self {
        let azure = Azure::start(&["--ready-world"]);
        azure.without_lags();
        let home = azure.home();
        home.write("groups.yaml", PLAN.replace("MANAGER", MANAGER).replace("VNET", VNET));
        Pipeline { azure, home }
    }

    /// Applies the plan to these rows (`a=false`).
    fn apply(&self, rows: &[&str], more: &[&str]) -> Said {
        self.table(rows);
        self.again(more)
    }

    fn table(&self, rows: &[&str]) {
        let rows: String = rows.iter().map(|row| format!("{}\n", row.replace('=', ","))).collect();
        self.home.write("groups.csv", format!("key,mesh\n{rows}"));
    }

    fn again(&self, more: &[&str]) -> Said {
        self.home.run(&[&["apply", "groups.yaml", "--inputs", "groups=groups.csv"], more].concat())
    }

    fn runs(&self) -> Vec<Value> {
        let list = self.home.run(&["list", "--output", "json"]).expect(0).json();
        list["runs"].as_array().unwrap().clone()
    }

    fn short(&self, number: usize) -> String {
        self.runs()[number]["short"].as_str().unwrap().to_owned()
    }

    /// Last names of the resources that runs created and that still exist.
    fn there(&self) -> Vec<String> {
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for effect in self.azure.ledger() {
            let path = effect.path.to_lowercase();
            match effect.change.as_str() {
                "created" => *there.entry(path).or_default() += 1,
                "deleted" => {
                    there.remove(&path);
                }
                _ => {}
            }
        }
        assert!(there.values().all(|count| *count == 1), "created twice: {there:#?}");
        let names = there.into_keys().map(|path| last_name(&path));
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with("ng-") || name.starts_with("mesh-")).collect();
        names.sort();
        names
    }
}

fn last_name(path: &str) -> String {
    Path::new(path).file_name().unwrap().to_str().unwrap().to_owned()
}

/// Steps of the printed run that an earlier run created, with the run that created each.
fn of_earlier(view: &Value) -> BTreeMap<String, String> {
    let steps = view["steps"].as_array().unwrap().iter();
    let earlier = steps.filter(|step| step["created_by"].is_string());
    earlier
        .map(|step| {
            (step["step"].as_str().unwrap().to_owned(), step["created_by"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn the_guides_pipeline_runs_three_times() {
    let guide =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/unattended.md"));
    let guide = guide.unwrap();
    let line = guide.lines().find(|line| line.starts_with("twinspan apply ")).unwrap();
    let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().skip(1).collect();
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = unattended::home(&azure);
    for (name, of) in [
        ("unattended-service-principal.yaml", "unattended-service-principal.yaml"),
        ("mine.yaml", "unattended-service-principal.inputs.yaml"),
    ] {
        home.write(name, std::fs::read(shipped(of)).unwrap());
    }
    // The first job starts a run.
    home.run(&words).expect(0);
    let written = azure.ledger().len();
    assert!(written > 5);
    // The second has nothing to do, and proves it.
    let said = home.run(&words).expect(0);
    assert!(said.out.contains("no drift"), "{}", said.out);
    assert_eq!(azure.ledger().len(), written);
    let list = home.run(&["list", "--output", "json"]).expect(0).json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{list:#}");
    // Before the third, a person deletes the scope connection by hand.
    let deleted = azure.created().into_keys().find(|path| path.contains("/scopeconnections/")).unwrap();
    let token = azure.token(Some("central"), "11111111-0000-0000-0000-00000000000c");
    azure.arm(&token, "DELETE", &format!("{deleted}?api-version=2024-10-01"), None);
    azure.advance("2m");
    let said = home.run(&words).expect(9);
    assert!(said.out.contains("missing") && said.err.contains("--repair"), "{}{}", said.out, said.err);
    // `--repair` repairs what this run owns, and the next job succeeds again.
    home.run(&[&words[..], &["--repair"]].concat()).expect(0);
    let said = home.run(&words).expect(0);
    assert!(said.out.contains("no drift"), "{}", said.out);
    assert_eq!(home.run(&["list", "--output", "json"]).expect(0).json()["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn a_grown_table_needs_no_decision_and_a_shrunk_one_is_reported_or_pruned() {
    let pipeline = Pipeline::new();
    pipeline.apply(&["a=false", "b=false"], &[]).expect(0);
    let first = pipeline.short(0);
    assert_eq!(pipeline.there(), ["mesh-a", "mesh-b", "ng-a", "ng-b"]);
    let before = pipeline.azure.ledger().len();
    // Grown: only the new row is written.
    let said = pipeline.apply(&["a=false", "b=false", "c=false"], &["--output", "json"]).expect(0);
    assert!(said.err.contains("input groups: 1 added (c)"), "{}", said.err);
    let view = said.json();
    assert_eq!(view["counts"]["undecided"], 0, "{view:#}");
    let earlier = of_earlier(&view);
    assert_eq!(earlier.len(), 6, "{earlier:#?}");
    assert!(earlier.values().all(|run| *run == first), "{earlier:#?}");
    let new: Vec<String> =
        pipeline.azure.ledger().split_off(before).into_iter().map(|effect| effect.path).collect();
    assert!(!new.is_empty() && new.iter().all(|path| path.to_lowercase().contains("-c")), "{new:#?}");
    let show = pipeline.home.run(&["show", &pipeline.short(0)]).expect(0).out;
    assert!(show.contains(&format!("6 steps (created by run {first})")), "{show}");
    // Changed: updated in place, without a decision; the run that created it keeps it.
    let said = pipeline.apply(&["a=true", "b=false", "c=false"], &["--output", "json"]).expect(0);
    let view = said.json();
    let updated: Vec<&Value> = view["changes"].as_array().unwrap().iter().collect();
    assert_eq!(updated.len(), 1, "{view:#}");
    assert_eq!((&updated[0]["step"], &updated[0]["change"]), (&json!("groups[a].mesh"), &json!("updated")));
    // Shrunk: reported with the run that created it, and left.
    let said = pipeline.apply(&["a=true", "c=false"], &[]).expect(0);
    for words in ["groups[b].group", "ng-b", &format!("created by run {first}"), "--prune"] {
        assert!(said.err.contains(words), "does not say {words:?}:\n{}", said.err);
    }
    assert!(pipeline.there().contains(&"ng-b".to_owned()));
    // There is no terminal to ask for confirmation, so pruning needs `--yes`.
    pipeline.again(&["--prune"]).expect(64);
    let said = pipeline.again(&["--prune", "--yes", "--output", "json"]).expect(0);
    let view = said.json();
    let left = view["apply"]["left_over"].as_array().unwrap();
    assert_eq!(left.len(), 3, "{view:#}");
    assert!(left.iter().all(|left| left["state"] == "deleted"), "{view:#}");
    assert_eq!(pipeline.there(), ["mesh-a", "mesh-c", "ng-a", "ng-c"]);
    // The same line once more: nothing is left, and nothing has drifted.
    let said = pipeline.again(&["--prune", "--yes"]).expect(0);
    assert!(said.out.contains("no drift") && !said.err.contains("ng-b"), "{}{}", said.out, said.err);
    pipeline.home.run(&["doctor"]).expect(0);
    // Undo of one run removes what that run created, undo of the key all of it, the newest run first.
    let runs = pipeline.runs();
    let key = runs[0]["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("groups@") && runs.iter().all(|run| run["key"] == key.as_str()), "{runs:#?}");
    let preview = pipeline.home.run(&["undo", "--key", &key, "--preview"]).expect(0).out;
    let at =
        |words: &str| preview.find(words).unwrap_or_else(|| panic!("does not say {words:?}:\n{preview}"));
    assert!(at("ng-c") < at("ng-a"), "newest first:\n{preview}");
    let grown = pipeline.short(runs.len() - 2);
    pipeline.home.run(&["undo", &grown, "--yes"]).expect(0);
    assert_eq!(pipeline.there(), ["mesh-a", "ng-a"]);
    pipeline.home.run(&["undo", "--key", &key, "--yes"]).expect(0);
    assert_eq!(pipeline.there(), [] as [String; 0]);
    // After that the key starts again.
    pipeline.apply(&["a=true"], &[]).expect(0);
    assert_eq!(pipeline.there(), ["mesh-a", "ng-a"]);
}

/// A step finds a connection by its target, whatever its name is: under a new key it finds what the old key created.
#[test]
fn what_the_latest_run_found_under_another_key_is_not_left_over() {
    let Pipeline { azure, home } = Pipeline::new();
    let tenant = "22222222-0000-0000-0000-00000000000f";
    let plan = format!(
        "twinspan: 1\nname: connect\nsummary: A scope connection for each row\ninputs:\n  \
         targets: {{ type: map, of: {{ scope: {{ type: scope }} }} }}\nidentities:\n  \
         central: {{ tenant: 11111111-0000-0000-0000-00000000000c }}\nsteps:\n  - id: connect\n    \
         for_each: ${{{{ inputs.targets }}}}\n    steps:\n      - id: half\n        uses: avnm.scope-connection\n        \
         as: central\n        with: {{ network_manager: {MANAGER}, name: \"x-${{{{ each.key }}}}\", tenant: {tenant}, \
         scope: \"${{{{ each.value.scope }}}}\" }}\n"
    );
    home.write("connect.yaml", plan);
    let apply = |key: &str, more: &[&str]| {
        home.write("targets.csv", format!("key,scope\n{key},{TARGET}\n"));
        home.run(&[&["apply", "connect.yaml", "--inputs", "targets=targets.csv"], more].concat())
    };
    apply("old", &[]).expect(0);
    apply("new", &[]).expect(0);
    let said = apply("new", &["--prune", "--yes"]).expect(0);
    assert!(said.out.contains("no drift") && !said.err.contains("x-old"), "{}{}", said.out, said.err);
    assert!(azure.ledger().iter().all(|effect| effect.change != "deleted"), "{:#?}", azure.ledger());
}

#[test]
fn run_knows_the_earlier_runs_of_its_key_too_and_another_key_asks() {
    let pipeline = Pipeline::new();
    pipeline.table(&["a=false"]);
    let run = ["run", "groups.yaml", "--inputs", "groups=groups.csv", "--until-blocked"];
    pipeline.home.run(&[&run[..], &["--label", "ticket=CHG0042"]].concat()).expect(0);
    pipeline.table(&["a=false", "b=false"]);
    let preview =
        pipeline.home.run(&["preview", "groups.yaml", "--inputs", "groups=groups.csv"]).expect(0).out;
    assert!(!preview.contains("carries the marker"), "{preview}");
    let said = pipeline.home.run(&run).expect(0);
    assert!(!said.out.contains("decide"), "{}", said.out);
    let labelled =
        pipeline.home.run(&["list", "--label", "ticket=CHG0042", "--output", "json"]).expect(0).json();
    assert_eq!(labelled["runs"].as_array().unwrap().len(), 1, "{labelled:#}");
    assert_eq!(labelled["runs"][0]["labels"]["ticket"], "CHG0042");
    let said = pipeline.home.run(&[&run[..], &["--key", "other"]].concat()).expect(1);
    assert!(said.out.contains("carries the marker of run"), "{}", said.out);
    let listed = pipeline.home.run(&["list", "--key", "other", "--output", "json"]).expect(0).json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1, "{listed:#}");
    // One decision for all steps that a pattern fits.
    let other = pipeline.short(0);
    let decide = |pattern: &str| pipeline.home.run(&["decide", &other, pattern, "adopt"]);
    let said = decide("grups[*].group").expect(3);
    assert!(said.err.contains("did you mean 'groups[*].group'?"), "{}", said.err);
    let said = decide("groups[*].mesh").expect(64);
    assert!(said.err.contains("none of 2 steps"), "{}", said.err);
    let said = decide("groups[*].group").expect(0);
    assert!(said.err.contains("2 of 2 steps"), "{}", said.err);
    let view = pipeline.home.run(&["resume", &other, "--until-blocked", "--output", "json"]).json();
    let state = |step: &str| {
        let steps = view["steps"].as_array().unwrap();
        steps.iter().find(|one| one["step"] == step).unwrap()["state"].clone()
    };
    assert_eq!(
        (state("groups[a].group"), state("groups[b].group")),
        (json!("unchanged"), json!("unchanged"))
    );
    // Two open runs with the same key: `apply` does not choose.
    pipeline.home.run(&[&run[..4], &["--key", "other", "--paused"]].concat()).expect(0);
    let said = pipeline.again(&["--key", "other"]).expect(8);
    assert!(said.err.contains("2 runs of key other are open"), "{}", said.err);
    for bad in ["a b", "-x", "", "a;b"] {
        pipeline.again(&["--key", bad]).expect(64);
    }
}

#[test]
fn an_open_run_is_resumed_and_one_with_other_inputs_is_exit_code_8() {
    let pipeline = Pipeline::new();
    pipeline.table(&["a=false"]);
    let run = ["run", "groups.yaml", "--inputs", "groups=groups.csv", "--paused"];
    pipeline.home.run(&run).expect(0);
    let short = pipeline.short(0);
    let said = pipeline.again(&[]).expect(5);
    assert!(
        said.err.contains("was paused by") && said.err.contains(&format!("twinspan resume {short}")),
        "{}",
        said.err
    );
    let said = pipeline.apply(&["a=true", "b=false"], &[]).expect(8);
    for words in ["input groups: 1 added (b), 1 changed (a)", &format!("twinspan resume {short}")] {
        assert!(said.err.contains(words), "does not say {words:?}:\n{}", said.err);
    }
    // Another plan: which steps.
    pipeline.table(&["a=false"]);
    let text = PLAN.replace("MANAGER", MANAGER).replace("VNET", VNET);
    let other = text.replace("topology: mesh\n", "topology: mesh\n          delete_existing_peering: true\n");
    pipeline.home.write("groups.yaml", other);
    let said = pipeline.again(&[]).expect(8);
    assert!(said.err.contains("defined differently: groups[].mesh"), "{}", said.err);
    assert!(pipeline.azure.ledger().is_empty(), "nothing was sent");
    // Text for people is not a change; the interrupted run continues.
    pipeline
        .home
        .write("groups.yaml", format!("# a comment\n{}", text.replace("for each row", "for each line")));
    pipeline.home.run(&["resume", &short, "--until-blocked"]).expect(0);
    let said = pipeline.again(&[]).expect(0);
    assert!(said.out.contains("no drift"), "{}", said.out);
    assert_eq!(pipeline.runs().len(), 1);
}

#[test]
fn an_interrupted_undo_is_left_alone() {
    let pipeline = Pipeline::new();
    pipeline.apply(&["a=false"], &[]).expect(0);
    let short = pipeline.short(0);
    // Three reads, seconds apart, must agree before a resource counts as deleted: the process is killed before that.
    pipeline.home.run_and_kill(&["undo", &short, "--yes"], 3).unwrap();
    let before = pipeline.azure.ledger().len();
    let said = pipeline.again(&[]).expect(5);
    for words in
        ["was interrupted", &format!("twinspan undo {short}"), &format!("twinspan resume {short} --forward")]
    {
        assert!(said.err.contains(words), "does not say {words:?}:\n{}", said.err);
    }
    assert_eq!(pipeline.azure.ledger().len(), before);
    assert_eq!(pipeline.runs().len(), 1);
}

#[test]
fn two_jobs_at_once_start_one_run() {
    let pipeline = Pipeline::new();
    pipeline.table(&["a=false", "b=false"]);
    let arguments = ["apply", "groups.yaml", "--inputs", "groups=groups.csv"];
    let jobs: Vec<Watched> =
        ["one", "two", "three"].map(|name| Watched::start(&pipeline.home, name, &arguments)).into();
    let codes: Vec<Option<i32>> = jobs.into_iter().map(|job| job.end().code).collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 7))), "{codes:?}");
    assert_eq!(pipeline.runs().len(), 1);
    assert_eq!(pipeline.there(), ["mesh-a", "mesh-b", "ng-a", "ng-b"]);
}

#[test]
fn a_job_that_is_killed_in_the_second_run_of_a_key_is_gone_on_with() {
    let pipeline = Pipeline::new();
    pipeline.apply(&["a=false"], &[]).expect(0);
    let first = pipeline.short(0);
    pipeline.table(&["a=true", "b=false", "c=false"]);
    let arguments = ["apply", "groups.yaml", "--inputs", "groups=groups.csv"];
    // A job is killed at several points; the next one continues the same run.
    for lines in [4, 6, 9, 12] {
        if pipeline.home.run_and_kill(&arguments, lines).is_err() {
            break;
        }
    }
    pipeline.again(&[]).expect(0);
    assert_eq!(pipeline.runs().len(), 2);
    assert_eq!(pipeline.there(), ["mesh-a", "mesh-b", "mesh-c", "ng-a", "ng-b", "ng-c"]);
    let view = pipeline.home.run(&["show", &pipeline.short(0), "--output", "json"]).expect(0).json();
    let earlier = of_earlier(&view);
    assert_eq!(earlier.len(), 3, "{earlier:#?}");
    assert!(earlier.values().all(|run| *run == first));
    pipeline.home.run(&["undo", &pipeline.short(0), "--yes"]).expect(0);
    assert_eq!(pipeline.there(), ["mesh-a", "ng-a"], "the second run never owned them");
}

#[test]
fn a_summary_is_written_as_junit_and_as_markdown() {
    let pipeline = Pipeline::new();
    pipeline.apply(&["a=false"], &["--label", "ticket=<1|2>", "--report", "report.xml"]).expect(0);
    let text = |name: &str| std::fs::read_to_string(pipeline.home.path().join(name)).unwrap();
    let xml = text("report.xml");
    for words in [
        "<testsuite name=\"groups\"",
        "tests=\"4\" failures=\"0\" errors=\"0\" skipped=\"0\"",
        "<testcase classname=\"groups\" name=\"groups[a].mesh\"/>",
        "<property name=\"label.ticket\" value=\"&lt;1|2&gt;\"/>",
    ] {
        assert!(xml.contains(words), "does not say {words:?}:\n{xml}");
    }
    pipeline.apply(&["a=false", "b=false"], &["--report", "report.md"]).expect(0);
    let markdown = text("report.md");
    let first = pipeline.short(1);
    for words in [
        "## groups: done",
        "7 of 7 steps are done.",
        &format!("| groups\\[a\\].group | unchanged | created by run {first} |"),
    ] {
        assert!(markdown.contains(words), "does not say {words:?}:\n{markdown}");
    }
    // What cannot be written is refused before anything is sent.
    let before = pipeline.azure.requests().len();
    pipeline.apply(&["a=false", "c=false"], &["--report", "none/report.xml"]).expect(64);
    assert_eq!(pipeline.azure.requests().len(), before);
}

#[test]
fn repair_leaves_what_another_run_owns_to_a_decision() {
    let rollout = Rollout::done();
    let group = rollout.id_of("group");
    let body = json!({ "properties": { "memberType": "VirtualNetwork", "description": "theirs [twinspan:0badcafe]" } });
    rollout.in_central("PUT", &group, Some(&body));
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let apply = ["apply", &plan, "--inputs", &inputs, "--repair"];
    let before = rollout.azure.ledger().len();
    let said = rollout.home.run(&apply).expect(9);
    assert!(said.err.contains(&format!("twinspan repair {} group", rollout.run)), "{}", said.err);
    assert_eq!(rollout.azure.ledger().len(), before, "nothing was sent");
}
