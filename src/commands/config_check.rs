//! `config --check`: signs in as each identity and shows its account. Secrets are not shown.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use twinspan_engine::{
    AttemptLog, Clock, FailureClass, Identity, Phase, RunId, StepCx, StepError, StepKey, SystemClock, Wait,
};
use twinspan_steps::{Azure, Credential, CredentialError, SignedIn};

use crate::cli::arguments::InputArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::{clouds, step_kinds, tenant_lookup};
use crate::plan::identities::PlanIdentities;
use crate::plan::{self, known_identities};
use crate::report::view::{Page, counted};
use crate::text::{BAD, GOOD, Text, WAIT};

/// Column at which the details of a sign-in begin.
const INDENT: usize = 15;
/// A certificate that ends within this time is marked for renewal, because a renewal takes time.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The identities and tenants to check.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Check the identities of this plan (default: those of the configuration)
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    inputs: InputArgs,
    /// Sign in to this tenant (can be repeated; default: the tenants of the plan, or those with a table of their own)
    #[arg(long, value_name = "TENANT-ID")]
    tenant: Vec<String>,
}

impl CheckArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.plan.is_some() || !self.tenant.is_empty() || self.inputs.is_given()
    }
}

#[derive(Serialize)]
struct View {
    schema: u32,
    r#type: &'static str,
    cloud: String,
    sign_ins: Vec<SignInView>,
    /// Identities that were not tried, because their tenant is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    no_tenant: Vec<String>,
}

/// One identity in one tenant.
#[derive(Serialize)]
struct SignInView {
    identity: String,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'static str>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_ends: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StepError>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    SignedIn,
    /// `none`, or nothing configured: its steps wait for another person.
    NoCredential,
    Refused,
    /// No response, or a temporary failure: neither signed in nor refused.
    NoAnswer,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: CheckArgs) -> Result<Exit, CommandError> {
    let azure = clouds::live(app.configuration()?, &app.environment)?;
    let (identities, no_tenant) = match chosen(ui, app, &azure, &args) {
        Ok(chosen) => chosen,
        Err(error) => return Err(tenant_lookup::explained(&azure, error).await),
    };
    let mut sign_ins = Vec::new();
    for identity in &identities {
        let result = sign_in(&azure, identity).await;
        sign_ins.push(SignInView::new(&azure, identity, result));
    }
    let is = |state| sign_ins.iter().any(|view: &SignInView| view.state == state);
    let exit = if is(State::Refused) {
        Exit::SignInRefused
    } else if is(State::NoAnswer) {
        Exit::Failed
    } else {
        Exit::Done
    };
    let view = View {
        schema: SCHEMA,
        r#type: "sign-ins",
        cloud: azure.cloud().name().to_owned(),
        sign_ins,
        no_tenant,
    };
    ui.data(&view, || view.text(ui))?;
    Ok(exit)
}

/// Identities with their tenants, and the names of identities without a tenant.
fn chosen(
    ui: &Ui,
    app: &App,
    azure: &Azure,
    args: &CheckArgs,
) -> Result<(Vec<Identity>, Vec<String>), CommandError> {
    let configured = || azure.credentials().configured().map(|(name, _)| name);
    let described = step_kinds::described()?;
    if let Some(wrong) = args.tenant.iter().find(|tenant| uuid::Uuid::try_parse(tenant).is_err()) {
        let error = CommandError::usage(format!("--tenant {wrong} is not a tenant's id"))
            .hint("write it as 11111111-2222-3333-4444-555555555555");
        let domains = wrong.contains('.').then(|| wrong.clone()).into_iter().collect();
        return Err(CommandError { domains, ..error });
    }
    let only = |tenant: &str| {
        args.tenant.is_empty() || args.tenant.iter().any(|one| one.eq_ignore_ascii_case(tenant))
    };
    if let Some(path) = &args.plan {
        let file = plan::file::read(ui, path, described.catalog())?;
        let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(&app.folder);
        known_identities::check(configured(), Some(&file.plan), &[&app.folder, beside], described.catalog())?;
        let raw = plan::file::given(ui, &app.environment, &file, &args.inputs)?;
        let inputs = plan::file::bind(ui, &file, &raw)?;
        let mut found = PlanIdentities::of(&file.plan, &inputs);
        found.known.retain(|identity| only(&identity.attributes["tenant"]));
        return Ok((found.known, found.later));
    }
    if args.inputs.is_given() {
        return Err(CommandError::usage("inputs are for a plan, and none is given")
            .hint("twinspan config --check PLAN --inputs FILE"));
    }
    known_identities::check(configured(), None, &[&app.folder], described.catalog())?;
    let mut identities = Vec::new();
    let mut no_tenant = Vec::new();
    for (name, own) in azure.credentials().configured() {
        let tenants: Vec<&str> = match args.tenant.as_slice() {
            [] => own,
            given => given.iter().map(String::as_str).collect(),
        };
        if tenants.is_empty() {
            no_tenant.push(name.to_owned());
        }
        identities.extend(tenants.into_iter().map(|tenant| Identity {
            name: name.to_owned(),
            attributes: [("tenant".to_owned(), tenant.to_ascii_lowercase())].into(),
        }));
    }
    if identities.is_empty() && no_tenant.is_empty() {
        return Err(CommandError::usage("no identity is configured")
            .hint("add [identities.NAME] to twinspan.toml; `twinspan init` writes a starter"));
    }
    if identities.is_empty() {
        return Err(CommandError::usage(format!("no tenant is known for {}", no_tenant.join(", ")))
            .hint("give a plan (twinspan config --check PLAN --inputs FILE) or --tenant TENANT-ID"));
    }
    Ok((identities, no_tenant))
}

async fn sign_in(azure: &Azure, identity: &Identity) -> Result<SignedIn, StepError> {
    let clock = SystemClock;
    let log = AttemptLog::new(Phase::Probe);
    let step = StepKey::from("config-check");
    let stated = std::collections::BTreeMap::new();
    let run = RunId::new();
    let cx = StepCx {
        run,
        owner: run,
        step: &step,
        phase: Phase::Probe,
        ensure: twinspan_engine::Ensure::Present,
        attempt: 1,
        timeout: Duration::from_secs(300),
        identities: std::slice::from_ref(identity),
        others: &[],
        auxiliary: None,
        since: clock.now(),
        waited: std::time::Duration::ZERO,
        earlier: None,
        overwrites: false,
        created: &[],
        written: None,
        reads_from: Timestamp::MAX,
        approval: None,
        receipt: None,
        needed_receipts: &[],
        stated: &stated,
        unknown: &[],
        clock: &clock,
        log: &log,
    };
    azure.sign_in(&cx, identity).await
}

impl SignInView {
    fn new(azure: &Azure, identity: &Identity, result: Result<SignedIn, StepError>) -> Self {
        let tenant = identity.attributes.get("tenant").cloned().unwrap_or_default();
        let configured = azure.credentials().of(&identity.name, &tenant);
        let lacks = matches!(configured, Ok(Credential::None) | Err(CredentialError::NotConfigured { .. }));
        let mut view = SignInView {
            identity: identity.name.clone(),
            tenant,
            credential: configured.ok().map(|credential| credential.kind().name()),
            state: State::SignedIn,
            object_id: None,
            account: None,
            application: None,
            expires: None,
            certificate_ends: None,
            error: None,
        };
        match result {
            Ok(signed_in) => {
                view.object_id = signed_in.object_id;
                view.account = signed_in.account;
                view.application = signed_in.application;
                view.expires = Some(signed_in.expires);
                view.certificate_ends = signed_in.certificate_ends;
            }
            Err(error) => {
                view.state = match error.class {
                    _ if lacks => State::NoCredential,
                    FailureClass::Transient | FailureClass::Throttled => State::NoAnswer,
                    _ => State::Refused,
                };
                view.error = Some(error);
            }
        }
        view
    }

    fn text(&self, page: &mut Page) {
        let (style, word) = match self.state {
            State::SignedIn => (GOOD, "signed in"),
            State::NoCredential => (WAIT, "no credential"),
            State::Refused => (BAD, "refused"),
            State::NoAnswer => (BAD, "no response"),
        };
        let credential = self.credential.unwrap_or("not configured");
        page.line(
            INDENT,
            &format!("{style}{word:13}{style:#}  {}  {credential}, tenant {}", self.identity, self.tenant),
        );
        let mut line = |label: &str, what: Option<&str>| {
            if let Some(what) = what {
                page.line(INDENT, &format!("  {label:11}  {what}"));
            }
        };
        line("account", self.account.as_deref());
        line("object id", self.object_id.as_deref());
        line("application", self.application.as_deref());
        line("until", self.expires.map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).as_deref());
        let ends = self.certificate_ends.map(|at| {
            let left = at.duration_since(SystemClock.now());
            let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
            if left < SOON {
                let days = usize::try_from(left.as_hours() / 24).unwrap_or(0);
                format!("{WAIT}ends {at}, in {}: renew it before that time{WAIT:#}", counted(days, "day"))
            } else {
                format!("ends {at}")
            }
        });
        line("certificate", ends.as_deref());
        let Some(error) = &self.error else { return };
        line("why", Some(&error.message));
        let wait: Option<&Wait> = error.wait.as_deref();
        line("who", wait.and_then(|wait| wait.who.as_deref()));
        line("otherwise", wait.and_then(|wait| wait.otherwise.as_deref()));
        // Not wrapped, because people copy it.
        if let Some(action) = wait.and_then(|wait| wait.action.as_deref()).or(error.hint.as_deref()) {
            page.whole(&format!("  {:11}  {action}", "do"));
        }
    }
}

impl View {
    fn text(&self, ui: &Ui) -> Text {
        let mut page = Page::new(ui.width());
        for sign_in in &self.sign_ins {
            sign_in.text(&mut page);
        }
        for name in &self.no_tenant {
            page.line(
                INDENT,
                &format!("{WAIT}{:13}{WAIT:#}  {name}  its tenant is not known before the run", "not tried"),
            );
        }
        page.into_text()
    }
}
