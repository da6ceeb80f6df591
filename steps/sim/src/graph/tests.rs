use serde_json::{Value, json};

use crate::trial::{APP, CENTRAL, FABRIKAM, Got, NINA, Trial};

fn invitation(address: &str) -> Value {
    json!({
        "invitedUserEmailAddress": address,
        "inviteRedirectUrl": "https://portal.azure.com",
        "sendInvitationMessage": true,
    })
}

fn invite(trial: &mut Trial, address: &str) -> Got {
    let admin = trial.graph_token("target-admin", FABRIKAM);
    trial.graph(&admin, "POST", "/invitations", &invitation(address))
}

#[test]
fn the_same_address_again_is_the_same_guest_and_mails_are_counted() {
    let mut trial = Trial::shipped();
    let first = invite(&mut trial, NINA);
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(first.text("/status"), "PendingAcceptance");
    assert!(first.text("/inviteRedeemUrl").starts_with("https://login.microsoftonline.com/redeem?"));
    let again = invite(&mut trial, &NINA.to_uppercase());
    assert_eq!(again.status, 201);
    assert_eq!(again.text("/invitedUser/id"), first.text("/invitedUser/id"));
    let state = trial.control("GET", "state", &Value::Null);
    assert_eq!(state.body["mails"].as_array().map(Vec::len), Some(2));
    let changes: Vec<_> = trial.world.effects().iter().map(|e| e.change).collect();
    assert_eq!(changes, [crate::Change::Created, crate::Change::None]);

    trial.control("POST", "redeem", &json!({ "email": NINA }));
    assert_eq!(invite(&mut trial, NINA).text("/status"), "Completed");
}

#[test]
fn addresses_that_no_guest_can_have_and_members_are_refused() {
    let mut trial = Trial::shipped();
    for bad in [
        "a+b@contoso.example",
        "a(b@contoso.example",
        "nodomain",
        "@contoso.example",
        "a@b",
        "a b@contoso.example",
        "a@@contoso.example",
        "a@contoso..example",
        "a@-contoso.example",
        "a@contoso.example.",
        ".a@contoso.example",
        "a..b@contoso.example",
        "a@contoso example.com",
        "",
    ] {
        assert_eq!(invite(&mut trial, bad).status, 400, "{bad}");
    }
    // An address in the tenant's own domain, whether such a user exists or not.
    for own in ["iam@fabrikam.example", "unknown@FABRIKAM.example"] {
        let got = invite(&mut trial, own);
        assert_eq!(got.refusal(), (400, "BadRequest"), "{own}");
        assert_eq!(
            got.message(),
            "This user cannot be invited because the domain of the user's email address is a verified domain of this directory."
        );
    }
    assert!(trial.world.effects().iter().all(|e| e.change == crate::Change::None));
}

#[test]
fn state_and_type_of_a_user_come_only_with_select() {
    let mut trial = Trial::shipped();
    let id = invite(&mut trial, NINA).text("/invitedUser/id").to_owned();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let plain = trial.graph(&admin, "GET", &format!("/users/{id}"), &Value::Null);
    assert_eq!(plain.text("/mail"), NINA);
    assert!(plain.body.get("externalUserState").is_none() && plain.body.get("userType").is_none());
    let path = format!("/users/{id}?$select=id,userType,externalUserState");
    let selected = trial.graph(&admin, "GET", &path, &Value::Null);
    assert_eq!(selected.text("/externalUserState"), "PendingAcceptance");
    assert_eq!(selected.text("/userType"), "Guest");
    assert!(selected.body.get("mail").is_none());
    trial.control("POST", "redeem", &json!({ "email": NINA }));
    assert_eq!(trial.graph(&admin, "GET", &path, &Value::Null).text("/externalUserState"), "Accepted");
}

#[test]
fn a_guest_is_found_by_each_of_its_addresses() {
    let mut trial = Trial::shipped();
    invite(&mut trial, NINA);
    let admin = trial.graph_token("target-admin", FABRIKAM);
    for filter in [
        format!("mail eq '{NINA}' or otherMails/any(m:m eq '{NINA}')"),
        "userPrincipalName eq 'nina.network_contoso.example#EXT#@fabrikam.example'".to_owned(),
        "externalUserState eq 'PendingAcceptance'".to_owned(),
    ] {
        let got = trial.graph(&admin, "GET", &format!("/users?$filter={filter}"), &Value::Null);
        assert_eq!(got.list().len(), 1, "{filter}: {}", got.body);
    }
    let got = trial.graph(&admin, "GET", "/users?$filter=externalUserState ne 'Accepted'", &Value::Null);
    assert_eq!(got.refusal(), (400, "Request_UnsupportedQuery"));
    let url =
        "https://graph.microsoft.com/v1.0/users?$count=true&$filter=externalUserState%20ne%20'Accepted'";
    let bearer = format!("Bearer {admin}");
    let got = trial.raw("GET", url, &[("authorization", &bearer), ("consistencylevel", "eventual")], "");
    assert_eq!(got.map(|g| g.body["@odata.count"].clone()).ok(), Some(json!(2)));
}

#[test]
fn users_come_in_pages() {
    let mut trial = Trial::shipped();
    invite(&mut trial, NINA);
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let first = trial.graph(&admin, "GET", "/users?$top=1", &Value::Null);
    assert_eq!(first.list().len(), 1);
    let next = first.text("/@odata.nextLink").split("/v1.0").nth(1).map(str::to_owned);
    let second = trial.graph(&admin, "GET", &next.unwrap_or_default(), &Value::Null);
    assert_eq!(second.list().len(), 1);
    assert_ne!(first.list(), second.list());
    assert!(second.body.get("@odata.nextLink").is_none());
}

#[test]
fn only_who_may_invites_reads_and_deletes() {
    let mut trial = Trial::ready();
    let guest = trial.graph_token("target", FABRIKAM);
    let app = trial.graph_token("app", FABRIKAM);
    let own = "/users/ffffffff-1111-0000-0000-000000000002";
    let admin = "/users/ffffffff-1111-0000-0000-000000000001";
    assert_eq!(trial.graph(&guest, "GET", own, &Value::Null).status, 200, "a guest reads itself");
    assert_eq!(
        trial.graph(&guest, "GET", admin, &Value::Null).refusal(),
        (403, "Authorization_RequestDenied")
    );
    assert_eq!(trial.graph(&guest, "GET", "/users", &Value::Null).status, 403);
    assert_eq!(trial.graph(&guest, "POST", "/invitations", &invitation("x@y.example")).status, 403);
    assert_eq!(trial.graph(&app, "GET", admin, &Value::Null).status, 200);
    assert_eq!(trial.graph(&app, "POST", "/invitations", &invitation("x@y.example")).status, 201);
    assert_eq!(trial.graph(&app, "DELETE", own, &Value::Null).status, 403);
    let boss = trial.graph_token("target-admin", FABRIKAM);
    assert_eq!(trial.graph(&boss, "DELETE", own, &Value::Null).status, 204);
    assert_eq!(trial.graph(&boss, "GET", own, &Value::Null).refusal(), (404, "Request_ResourceNotFound"));
    assert_eq!(trial.graph(&boss, "DELETE", own, &Value::Null).status, 404);
}

#[test]
fn an_applications_principal_is_made_once_and_signs_in_then() {
    let mut trial = Trial::shipped();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let filter = format!("/servicePrincipals?$filter=appId eq '{APP}'");
    assert!(trial.graph(&admin, "GET", &filter, &Value::Null).list().is_empty());
    let made = trial.graph(&admin, "POST", "/servicePrincipals", &json!({ "appId": APP }));
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.text("/id").to_owned();
    let again = trial.graph(&admin, "POST", "/servicePrincipals", &json!({ "appId": APP }));
    assert_eq!(again.refusal(), (409, "Request_MultipleObjectsWithSameKeyValue"));
    assert_eq!(trial.graph(&admin, "GET", &filter, &Value::Null).list().len(), 1);
    for path in [format!("/servicePrincipals/{id}"), format!("/servicePrincipals(appId='{APP}')")] {
        assert_eq!(
            trial.graph(&admin, "GET", &path, &Value::Null).text("/displayName"),
            "network-automation"
        );
    }
    trial.arm_token("app", FABRIKAM);
    let unknown = json!({ "appId": "99999999-0000-0000-0000-000000000000" });
    assert_eq!(
        trial.graph(&admin, "POST", "/servicePrincipals", &unknown).refusal(),
        (400, "Request_BadRequest")
    );
    assert_eq!(trial.graph(&admin, "DELETE", &format!("/servicePrincipals/{id}"), &Value::Null).status, 204);
    assert_eq!(trial.ask_token("app", FABRIKAM, "https://graph.microsoft.com/.default").status, 400);
}

#[test]
fn what_was_just_made_is_not_seen_at_once_where_replication_lags() {
    let mut trial = Trial::shipped();
    let mut lags = trial.world.lags().clone();
    lags.graph = jiff::SignedDuration::from_secs(10);
    trial.world.set_lags(lags);
    let id = invite(&mut trial, NINA).text("/invitedUser/id").to_owned();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    trial.wait(9);
    assert_eq!(trial.graph(&admin, "GET", &format!("/users/{id}"), &Value::Null).status, 404);
    trial.wait(1);
    assert_eq!(trial.graph(&admin, "GET", &format!("/users/{id}"), &Value::Null).status, 200);
}

#[test]
fn tokens_for_others_and_expired_ones_are_refused() {
    let mut trial = Trial::shipped();
    let arm = trial.arm_token("central", CENTRAL);
    assert_eq!(trial.graph(&arm, "GET", "/me", &Value::Null).refusal(), (401, "InvalidAuthenticationToken"));
    let own = trial.graph_token("central", CENTRAL);
    assert_eq!(trial.graph(&own, "GET", "/me", &Value::Null).text("/mail"), NINA);
    trial.wait(3600);
    assert_eq!(trial.graph(&own, "GET", "/me", &Value::Null).refusal(), (401, "InvalidAuthenticationToken"));
}

#[test]
fn an_application_is_read_in_its_home_tenant_only() {
    let mut trial = Trial::shipped();
    let central = trial.graph_token("central", CENTRAL);
    let filter = format!("/applications?$filter=appId eq '{APP}'");
    let found = trial.graph(&central, "GET", &filter, &Value::Null);
    assert_eq!(found.list().len(), 1, "{}", found.body);
    let id = found.text("/value/0/id").to_owned();
    for path in [format!("/applications/{id}"), format!("/applications(appId='{APP}')")] {
        let one = trial.graph(&central, "GET", &path, &Value::Null);
        assert_eq!((one.text("/appId"), one.text("/signInAudience")), (APP, "AzureADMultipleOrgs"), "{path}");
    }
    // In another tenant it cannot be read; its service principal is created by its id.
    let admin = trial.graph_token("target-admin", FABRIKAM);
    assert!(trial.graph(&admin, "GET", &filter, &Value::Null).list().is_empty());
    let got = trial.graph(&admin, "GET", &format!("/applications/{id}"), &Value::Null);
    assert_eq!(got.refusal(), (404, "Request_ResourceNotFound"));
    let made = trial.graph(&admin, "POST", "/applications", &json!({}));
    assert_eq!(made.refusal(), (501, "NotSimulated"), "Azure can create applications, this world cannot");
}

#[test]
fn objects_are_read_by_their_ids_and_that_is_no_write() {
    let mut trial = Trial::shipped();
    let guest = invite(&mut trial, NINA).text("/invitedUser/id").to_owned();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let principal = trial.graph(&admin, "POST", "/servicePrincipals", &json!({ "appId": APP }));
    let principal = principal.text("/id").to_owned();
    let writes = trial.world.effects().len();
    let mut ask = |ids: &[&str], types: &[&str]| {
        let body = json!({ "ids": ids, "types": types });
        let got = trial.graph(&admin, "POST", "/directoryObjects/getByIds", &body);
        let kinds = got.list().iter().map(|o| o["@odata.type"].as_str().unwrap().to_owned());
        (got.status, kinds.collect::<Vec<_>>())
    };
    let unknown = "99999999-0000-0000-0000-000000000000";
    let all = vec!["#microsoft.graph.user".to_owned(), "#microsoft.graph.servicePrincipal".to_owned()];
    assert_eq!(ask(&[&principal, &guest, unknown], &[]), (200, all.clone()));
    assert_eq!(
        ask(&[&principal, &guest], &["user", "group", "servicePrincipal", "directoryObjectPartnerReference"]),
        (200, all)
    );
    assert_eq!(ask(&[&principal, &guest], &["user"]).1, ["#microsoft.graph.user"]);
    assert_eq!(ask(&[], &[]).0, 400);
    assert_eq!(trial.world.effects().len(), writes);
    trial.control("POST", "redeem", &json!({ "email": NINA }));
    let outsider = trial.graph_token("target", FABRIKAM);
    let got = trial.graph(&outsider, "POST", "/directoryObjects/getByIds", &json!({ "ids": [principal] }));
    assert_eq!(got.refusal(), (403, "Authorization_RequestDenied"), "guests read themselves only");
}

#[test]
fn a_member_with_an_address_of_another_domain_is_refused() {
    let mut trial = Trial::shipped();
    let fabrikam = trial.world.directory.tenants.get_mut(FABRIKAM).unwrap();
    let mut other = fabrikam.users["ffffffff-1111-0000-0000-000000000001"].clone();
    other.id = "ffffffff-1111-0000-0000-000000000009".to_owned();
    other.mail = "iam@other.example".to_owned();
    fabrikam.users.insert(other.id.clone(), other);
    let got = invite(&mut trial, "iam@other.example");
    assert_eq!(got.refusal(), (400, "BadRequest"));
    assert!(got.message().contains("already exists in the directory"), "{}", got.message());
}

#[test]
fn bodies_of_invitations_are_read_strictly() {
    let mut trial = Trial::shipped();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    for (field, value, status) in [
        ("invitedUserType", json!("Owner"), 400),
        ("invitedUserType", json!("Member"), 501),
        ("sendInvitationMessage", json!("yes"), 400),
        ("resetRedemption", json!(1), 400),
        ("invitedUserMessageInfo", json!([]), 400),
        ("invitedUserType", json!("guest"), 201),
    ] {
        let mut body = invitation("x@y.example");
        body[field] = value.clone();
        assert_eq!(trial.graph(&admin, "POST", "/invitations", &body).status, status, "{field} {value}");
    }
}

#[test]
fn me_is_somebody_and_no_application() {
    let mut trial = Trial::ready();
    let app = trial.graph_token("app", FABRIKAM);
    for path in ["/me", "/ME", "/me/memberOf", "/me?$select=id", "/me/messages/1"] {
        let got = trial.graph(&app, "GET", path, &Value::Null);
        assert_eq!(got.refusal(), (400, "BadRequest"), "{path}");
        assert_eq!(got.message(), "/me request is only valid with delegated authentication flow.", "{path}");
    }
    let nina = trial.graph_token("target", FABRIKAM);
    assert_eq!(trial.graph(&nina, "GET", "/Me?$select=mail", &Value::Null).text("/mail"), NINA);
    assert_eq!(trial.graph(&nina, "GET", "/me/memberOf", &Value::Null).refusal(), (501, "NotSimulated"));
}

/// A read with or without `ConsistencyLevel: eventual`.
fn advanced(trial: &mut Trial, token: &str, path: &str, eventual: bool) -> Got {
    let url = format!("https://graph.microsoft.com/v1.0{}", path.replace(' ', "%20").replace('"', "%22"));
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    if eventual {
        headers.push(("consistencylevel", "eventual"));
    }
    trial.raw("GET", &url, &headers, "").unwrap()
}

#[test]
fn advanced_queries_need_the_header_and_the_count_in_every_collection() {
    let mut trial = Trial::ready();
    invite(&mut trial, "zoe@other.example");
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let unsupported = (400, "Request_UnsupportedQuery");
    for collection in ["users", "servicePrincipals", "applications"] {
        for option in [
            "$search=\"displayName:x\"",
            "$filter=displayName ne 'x'",
            "$filter=not(displayName eq 'x')",
            "$filter=endswith(displayName,'x')",
            "$filter=displayName eq 'x'&$orderby=displayName",
            "$orderby=createdDateTime",
        ] {
            let path = format!("/{collection}?{option}");
            assert_eq!(advanced(&mut trial, &admin, &path, false).refusal(), unsupported, "{path}");
            let counted = format!("{path}&$count=true");
            assert_eq!(advanced(&mut trial, &admin, &counted, false).refusal(), unsupported, "{counted}");
            let got = advanced(&mut trial, &admin, &counted, true);
            assert_eq!(got.status, 200, "{counted}: {}", got.body);
            assert!(got.body["@odata.count"].is_u64(), "{counted}");
            // A search needs no count.
            let alone = advanced(&mut trial, &admin, &path, true).status;
            assert_eq!(alone, if option.starts_with("$search") { 200 } else { 400 }, "{path}");
        }
        assert_eq!(
            advanced(&mut trial, &admin, &format!("/{collection}/$count"), false).refusal(),
            (400, "Request_BadRequest")
        );
        let counted = advanced(&mut trial, &admin, &format!("/{collection}/$count"), true);
        assert_eq!((counted.status, counted.header("content-type")), (200, "text/plain"));
        let ignored = advanced(&mut trial, &admin, &format!("/{collection}?$count=true"), false);
        assert!(ignored.status == 200 && ignored.body.get("@odata.count").is_none());
    }
    let missing = advanced(&mut trial, &admin, "/users?$search=\"displayName:x\"", false);
    assert_eq!(
        missing.message(),
        "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: \
         eventual'"
    );
    let missing = advanced(&mut trial, &admin, "/users?$filter=endsWith(mail,'x')", false);
    assert!(
        missing
            .message()
            .starts_with("Operator 'endsWith' is not supported because the 'ConsistencyLevel:eventual'")
    );
}

#[test]
fn a_search_finds_what_it_says_and_a_sorted_list_is_sorted() {
    let mut trial = Trial::ready();
    invite(&mut trial, "zoe@other.example");
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let mut mails = |path: &str| {
        let got = advanced(&mut trial, &admin, path, true);
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.list().iter().map(|user| user["mail"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(mails("/users?$search=\"displayName:net\""), [NINA]);
    assert_eq!(mails("/users?$search=\"mail:zoe\" OR \"displayName:nina\"").len(), 2);
    assert_eq!(mails("/users?$search=\"displayName:nothing\""), [""; 0]);
    assert_eq!(mails("/users?$count=true&$filter=endswith(mail,'@other.example')"), ["zoe@other.example"]);
    let mut sorted = mails("/users?$orderby=displayName desc");
    assert_eq!(sorted[0], "zoe@other.example");
    sorted.reverse();
    assert_eq!(sorted, mails("/users?$orderby=displayName"));
}

#[test]
fn options_are_followed_or_refused_but_never_passed_over() {
    let mut trial = Trial::ready();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    for (path, status, code) in [
        ("/users?$skip=1", 400, "Request_UnsupportedQuery"),
        ("/users?$top=0", 400, "Request_BadRequest"),
        ("/users?$top=1000", 400, "Request_BadRequest"),
        ("/users?$top=x", 400, "Request_BadRequest"),
        ("/users?$nonsense=1", 400, "BadRequest"),
        ("/users?$select=nonsense", 400, "BadRequest"),
        ("/users?$filter=nonsense eq 'x'", 400, "BadRequest"),
        ("/users?$filter=contains(mail,'x')", 400, "Request_UnsupportedQuery"),
        ("/users?$orderby=jobTitle", 400, "Request_UnsupportedQuery"),
        ("/users?$skiptoken=x", 400, "Directory_ExpiredPageToken"),
        ("/users?$expand=manager", 501, "NotSimulated"),
        ("/users?$filter=createdDateTime ge 2026-01-01", 501, "NotSimulated"),
        ("/users/iam@fabrikam.example?$filter=mail eq 'x'", 400, "BadRequest"),
        ("/users/iam@fabrikam.example?$expand=manager", 501, "NotSimulated"),
        ("/users/iam@fabrikam.example/memberOf", 501, "NotSimulated"),
        ("/groups", 501, "NotSimulated"),
        ("/directoryRoles/x/members", 501, "NotSimulated"),
        ("/organization/x", 501, "NotSimulated"),
        ("/nothing", 400, "BadRequest"),
    ] {
        let got = trial.graph(&admin, "GET", path, &Value::Null);
        assert_eq!(got.refusal(), (status, code), "{path}: {}", got.body);
    }
    let got = trial.graph(&admin, "GET", "/users?$select=mail,department", &Value::Null);
    assert_eq!(got.list()[0], json!({ "mail": "iam@fabrikam.example", "department": null }));
    for method in ["POST", "PATCH"] {
        let path = if method == "POST" { "/users" } else { "/users/iam@fabrikam.example" };
        assert_eq!(
            trial.graph(&admin, method, path, &json!({})).refusal(),
            (501, "NotSimulated"),
            "{method}"
        );
    }
}
