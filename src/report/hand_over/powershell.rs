//! The hand-over script for PowerShell and the module Az.Accounts.

use std::fmt::Write as _;

use twinspan_encode::powershell;
use twinspan_engine::{Act, Create, Find, Fits, Removal, Request, Variable};
use twinspan_steps::GRAPH;

use super::page::{HandOverView, Page, TaskView};
use super::remark::{one_line, powershell_comment as comment};
use super::words::{self, filled, readable};

const HEAD: &str = r#"#Requires -Version 7.0
#Requires -Modules Az.Accounts
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$Environment = (Get-AzContext).Environment
if (-not $Environment) { throw 'sign in first: Connect-AzAccount' }
$Arm = $Environment.ResourceManagerUrl.TrimEnd('/')
$Graph = $Environment.ExtendedProperties['MicrosoftGraphUrl'].TrimEnd('/')

# Text from outside, without characters that control a terminal.
function Shown($Text) { "$Text" -replace '[\p{Cc}\p{Cf}\p{Zl}\p{Zp}-[\n\t]]', '?' }

# A text as a quoted PowerShell string.
function Quote([string] $Text) { "'" + ($Text -replace '[''\u2018-\u201B]', '$0$0') + "'" }

# The result of Pick on the response; nothing if not found. Any other error ends the script.
function Look([string] $Uri, [scriptblock] $Pick) {
    $reply = Invoke-AzRestMethod -Method GET -Uri $Uri
    if ($reply.StatusCode -eq 404) { return $null }
    if ($reply.StatusCode -ge 300) { throw "GET ${Uri}: $($reply.StatusCode) $(Shown $reply.Content)" }
    & $Pick ($reply.Content | ConvertFrom-Json)
}

# The response. An error that matches NotYet is retried for ten minutes; an error that matches There counts as success.
function Send([string] $Method, [string] $Uri, [string] $Body, [string] $NotYet, [string] $There, [string] $Auxiliary) {
    foreach ($try in 0..60) {
        if ($Auxiliary) {
            $token = { param($tenant) (Get-AzAccessToken -TenantId $tenant -AsSecureString).Token | ConvertFrom-SecureString -AsPlainText }
            $headers = @{
                Authorization                  = 'Bearer ' + (& $token (Get-AzContext).Tenant.Id)
                'x-ms-authorization-auxiliary' = 'Bearer ' + (& $token $Auxiliary)
            }
            $web = Invoke-WebRequest -Method $Method -Uri $Uri -Headers $headers -Body $Body -ContentType 'application/json' -SkipHttpErrorCheck
            $status = [int] $web.StatusCode
            $content = $web.Content
        } else {
            $parameters = @{ Method = $Method; Uri = $Uri }
            if ($Body) { $parameters.Payload = $Body }
            $reply = Invoke-AzRestMethod @parameters
            $status = $reply.StatusCode
            $content = $reply.Content
        }
        if ($status -lt 300) { return $(if ($content) { $content | ConvertFrom-Json }) }
        if ($There -and $content -match $There) { return $null }
        if (-not $NotYet -or $content -notmatch $NotYet -or $try -eq 60) { throw "$Method ${Uri}: $status $(Shown $content)" }
        Write-Host '  not yet; again in 10 seconds'
        Start-Sleep -Seconds 10
    }
}

function Test-End($Text, [string] $End) { "$Text".EndsWith($End, 'OrdinalIgnoreCase') }

# A field of a response, its path written with dots; nothing if it is missing.
function Get-Field($Answer, [string] $Path) {
    foreach ($name in $Path.Split('.')) {
        $field = if ($null -ne $Answer) { $Answer.PSObject.Properties[$name] }
        $Answer = if ($field) { $field.Value }
    }
    $Answer
}

# The UUID (version 5) of a text.
function New-NamedGuid([string] $Namespace, [string] $Text) {
    $bytes = [Convert]::FromHexString($Namespace.Replace('-', '')) + [Text.Encoding]::UTF8.GetBytes($Text)
    $hash = [Security.Cryptography.SHA1]::HashData([byte[]] $bytes)
    $hash[6] = ($hash[6] -band 0x0f) -bor 0x50
    $hash[8] = ($hash[8] -band 0x3f) -bor 0x80
    $hex = [Convert]::ToHexString($hash, 0, 16).ToLowerInvariant()
    $hex -replace '^(.{8})(.{4})(.{4})(.{4})(.{12})$', '$1-$2-$3-$4-$5'
}
"#;

/// The whole script.
pub(crate) fn script(view: &HandOverView) -> String {
    let mut text = String::new();
    let mut say = |line: &str| comment(&mut text, line);
    say(&view.summary);
    if let Some(document) = &view.document {
        say(document);
    }
    say(&format!(
        "What {} has to do, in run {} of plan {}, written by twinspan {}.",
        view.identity,
        view.short,
        view.plan,
        env!("CARGO_PKG_VERSION")
    ));
    say("It may be run any number of times: existing resources are not changed. It contains no secret.");
    text.push_str(HEAD);
    if view.is_empty() {
        text.push_str("\nWrite-Host 'There is nothing left to do.'\n");
    }
    for page in &view.pages {
        section(&mut text, view, page);
    }
    text
}

fn section(text: &mut String, view: &HandOverView, page: &Page) {
    let variables = page.variables();
    text.push('\n');
    comment(text, &format!("---- {} ----", page.place(&view.identity)));
    for line in words::left_out(page) {
        comment(text, &line);
    }
    let tasks: Vec<&TaskView> = page.tasks.iter().filter(|task| task.is_scripted()).collect();
    if tasks.is_empty() {
        return;
    }
    if let Some(tenant) = &page.tenant {
        let sign_in = format!("Connect-AzAccount -Tenant {tenant}");
        let (say, sign_in) = match view.pages.len() {
            1 => ("throw", format!("sign in first: {sign_in}")),
            _ => (
                "Write-Host",
                format!(
                    "skipped, because the session is signed in to another tenant: tenant {tenant} ({sign_in})"
                ),
            ),
        };
        let (tenant, sign_in) = (quoted(tenant, &[]), quoted(&sign_in, &[]));
        let _ = writeln!(text, "if ((Get-AzContext).Tenant.Id -ne {tenant}) {{ {say} {sign_in} }} else {{");
    }
    for task in &tasks {
        text.push('\n');
        comment(text, &format!("{}: {}", task.step, task.why));
        for line in words::before(task) {
            comment(text, &readable(&line, &variables));
        }
        comment(text, &format!("twinspan checks: {}", readable(&task.proof, &variables)));
        let what = one_line(&format!("{}: {}", task.step, readable(&task.task.what, &variables)));
        let _ = writeln!(text, "Write-Host {}", quoted(&what, &[]));
        for act in &task.task.acts {
            self::act(text, act, &variables);
        }
    }
    text.push_str("\nWrite-Host 'Done. twinspan checks the result by itself; you need not report it.'\n");
    text.push_str("Write-Host 'To undo it, in this order:'\n");
    for task in tasks.iter().rev() {
        let back = &task.task.back;
        let words = format!("# {}: {}", task.step, readable(&back.words, &variables));
        let _ = writeln!(text, "Write-Host {}", quoted(&one_line(&words), &[]));
        if let Some(request) = &back.request {
            let command = "'Invoke-AzRestMethod -Method DELETE -Uri '";
            let _ = writeln!(text, "Write-Host ({command} + (Quote {}))", uri(request, &variables));
        }
    }
    if page.tenant.is_some() {
        text.push_str("}\n");
    }
}

fn act(text: &mut String, act: &Act, variables: &[Variable]) {
    match act {
        Act::Learn { variable, ask, find } => {
            let name = &variable.name;
            let _ = writeln!(text, "${name} = Look {} {}", uri(ask, variables), pick(find, variables));
            let missing = quoted(&format!("there is no {}", variable.words), &[]);
            let _ = writeln!(text, "if (-not ${name}) {{ throw {missing} }}");
        }
        Act::Require { ask, find, missing } => {
            let missing = quoted(missing, &[]);
            let _ = writeln!(
                text,
                "if (-not (Look {} {})) {{ throw {missing} }}",
                uri(ask, variables),
                pick(find, variables)
            );
        }
        Act::Name { variable, namespace, text: named } => {
            let named = quoted(named, variables);
            let _ = writeln!(text, "${} = New-NamedGuid '{namespace}' {named}", variable.name);
        }
        Act::Create(make) => self::make(text, make, variables),
        Act::Remove(removal) => remove(text, removal, variables),
        Act::Command(_) | Act::Person { .. } => {}
    }
}

/// Reads each place until the resource is found.
fn look(text: &mut String, places: &[(Request, Find)], variables: &[Variable]) {
    text.push_str("$found = $null\n");
    for (ask, find) in places {
        let _ = writeln!(
            text,
            "if (-not $found) {{ $found = Look {} {} }}",
            uri(ask, variables),
            pick(find, variables)
        );
    }
}

fn remove(text: &mut String, removal: &Removal, variables: &[Variable]) {
    look(text, &removal.look, variables);
    text.push_str("if ($found) {\n");
    if let Some(variable) = &removal.found {
        let _ = writeln!(text, "    ${} = $found", variable.name);
    }
    let uri = uri(&removal.request, variables);
    let _ = writeln!(text, "    $answer = Send 'DELETE' {uri} '' '' '' ''");
    text.push_str("    Write-Host '  deleted'\n} else {\n    Write-Host '  it does not exist'\n}\n");
}

fn make(text: &mut String, make: &Create, variables: &[Variable]) {
    look(text, &make.look, variables);
    text.push_str("if ($found) {\n    Write-Host \"  it exists: $(Shown $found)\"\n} else {\n");
    let request = &make.write;
    let body = request.body.as_ref().map(words::body).unwrap_or_default();
    let _ = writeln!(
        text,
        "    $answer = Send '{}' {} {} '{}' '{}' {}",
        request.verb,
        uri(request, variables),
        quoted(&body, variables),
        make.not_yet.join("|"),
        make.there.join("|"),
        quoted(request.auxiliary.as_deref().unwrap_or_default(), &[]),
    );
    if let Some((_, field)) = &make.yields {
        let _ = writeln!(text, "    $found = Get-Field $answer '{field}'");
    }
    text.push_str("    Write-Host '  done'\n");
    if let Some((field, to)) = &make.pass_on {
        let words = quoted(&format!("  pass this link on to {to}: "), &[]);
        let _ = writeln!(text, "    Write-Host ({words} + (Shown (Get-Field $answer '{field}')))");
    }
    text.push_str("}\n");
    if let Some((variable, _)) = &make.yields {
        let _ = writeln!(text, "${} = $found", variable.name);
    }
}

fn base(request: &Request) -> &'static str {
    if request.service == GRAPH { "$Graph" } else { "$Arm" }
}

fn uri(request: &Request, variables: &[Variable]) -> String {
    format!("({} + {})", base(request), quoted(&words::target(request), variables))
}

fn pick(find: &Find, variables: &[Variable]) -> String {
    let source =
        find.list.map_or_else(|| "$answer".to_owned(), |list| format!("(Get-Field $answer '{list}')"));
    let conditions: Vec<String> = find
        .having
        .iter()
        .map(|(field, fits)| match fits {
            Fits::Is(value) => format!("((Get-Field $_ '{field}') -eq {})", quoted(value, variables)),
            Fits::EndsWith(value) => {
                format!("(Test-End (Get-Field $_ '{field}') {})", quoted(value, variables))
            }
        })
        .collect();
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" | Where-Object {{ {} }}", conditions.join(" -and "))
    };
    format!(
        "{{ param($answer) {source}{filter} | ForEach-Object {{ Get-Field $_ '{}' }} | Select-Object -First 1 }}",
        find.take
    )
}

/// A quoted text; with variables, a concatenation in parentheses.
fn quoted(text: &str, variables: &[Variable]) -> String {
    let plain = powershell::quoted(text);
    let spliced = filled(&plain, variables, |variable| format!("' + ${} + '", variable.name));
    if spliced == plain || plain.starts_with('(') { spliced } else { format!("({spliced})") }
}
