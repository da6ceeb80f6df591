//! Each cloud has its own hosts; tokens and secrets are sent to no other host.

use std::sync::Arc;

use azure_core::http::{HttpClient, Method, Request, Url};
use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, FailureClass, Phase};

use super::super::authority::Authority;
use super::super::scripted::{Bench, CENTRAL, Script, TARGET};
use super::super::{Cloud, InProcess, Wire};

fn bench(cloud: Cloud) -> Bench {
    let script = Arc::new(Script::default());
    let wire = Wire::in_process(Arc::clone(&script) as Arc<dyn InProcess>);
    let credentials = json!({
        "default": {"credential": "client-secret", "client_id": "app", "client_secret": {"env": "SECRET"}},
    });
    Bench::of(script, cloud, wire, credentials)
}

#[tokio::test]
async fn authority_audience_and_hosts_are_those_of_the_cloud() {
    let custom =
        Cloud::custom("https://arm.example:8443", "https://login.example", "https://graph.example").unwrap();
    let named = |name| Cloud::named(name).unwrap();
    for (cloud, arm, login, graph) in [
        (
            named("public"),
            "https://management.azure.com",
            "https://login.microsoftonline.com",
            "https://graph.microsoft.com",
        ),
        (
            named("us-government"),
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
            "https://graph.microsoft.us",
        ),
        (
            named("china"),
            "https://management.chinacloudapi.cn",
            "https://login.partner.microsoftonline.cn",
            "https://microsoftgraph.chinacloudapi.cn",
        ),
        (custom, "https://arm.example:8443", "https://login.example", "https://graph.example"),
    ] {
        let bench = bench(cloud);
        bench.script.answer(200, &json!({})).answer(200, &json!({}));
        let log = AttemptLog::new(Phase::Probe);
        let cx = bench.cx(Phase::Probe, &log);
        bench.azure.arm(&cx, &bench.central).get::<Value>("/subscriptions", "2022-12-01").await.unwrap();
        bench.azure.graph(&cx, &bench.target).get::<Value>("/users/1", &[]).await.unwrap();
        assert_eq!(bench.script.token_hosts(), [login, login]);
        assert_eq!(
            bench.script.token_requests(),
            [format!("{CENTRAL} {arm}/.default"), format!("{TARGET} {graph}/.default")]
        );
        let addresses: Vec<String> =
            bench.script.requests().into_iter().map(|request| request.address).collect();
        assert_eq!(
            addresses,
            [format!("{arm}/subscriptions?api-version=2022-12-01"), format!("{graph}/v1.0/users/1")]
        );
    }
}

#[tokio::test]
async fn a_link_into_another_cloud_gets_no_token() {
    let bench = bench(Cloud::named("us-government").unwrap());
    let link = "https://management.azure.com/x?page=2";
    bench.script.answer(200, &json!({"value": [{}], "nextLink": link}));
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let error = bench.azure.arm(&cx, &bench.central).list::<Value>("/x", "1", &[]).await.unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert_eq!(bench.script.requests().len(), 1, "nothing is sent to {link}");
}

#[tokio::test]
async fn what_proves_who_we_are_goes_to_the_clouds_own_sign_in_only() {
    let cloud = Cloud::named("public").unwrap();
    let script = Arc::new(Script::default());
    let send = async |platform: bool, url: &str, body: &'static str| {
        let wire = Wire::in_process(Arc::clone(&script) as Arc<dyn InProcess>);
        let authority = Authority::new(wire, cloud.login_url().clone(), platform, "id".to_owned());
        let mut request = Request::new(Url::parse(url).unwrap(), Method::Post);
        request.set_body(body);
        authority.execute_request(&request).await.is_ok()
    };
    for address in [
        "https://login.microsoftonline.us/t/oauth2/v2.0/token",
        "https://login.microsoftonline.com.evil.example/t/oauth2/v2.0/token",
        "http://login.microsoftonline.com/t/oauth2/v2.0/token",
    ] {
        for platform in [false, true] {
            assert!(!send(platform, address, "client_secret=CANARY").await, "{address}");
        }
    }
    assert!(!send(false, "http://169.254.169.254/metadata/identity/oauth2/token", "").await);
    assert!(script.requests().is_empty() && script.token_requests().is_empty());
    script.answer(200, &json!({}));
    assert!(send(true, "http://169.254.169.254/metadata/identity/oauth2/token", "").await);
    assert!(send(false, "https://login.microsoftonline.com/t/oauth2/v2.0/token", "client_secret=x").await);
}
