//! The faults, and the test that each makes fail.

/// Which program has the fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Simulator,
    Client,
}

/// One fault.
pub(super) struct Fault {
    pub(super) end: End,
    /// Description for readers of the page.
    pub(super) what: &'static str,
    pub(super) file: &'static str,
    /// Text that occurs once in the file.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) package: &'static str,
    /// Arguments that name the test's binary.
    pub(super) binary: &'static [&'static str],
    /// The test's whole name.
    pub(super) test: &'static str,
    /// The file with the test.
    pub(super) tests: &'static str,
    /// Whether it needs `TWINSPAN_AZURE_DATA`.
    pub(super) data: bool,
}

/// Detected by a test of the whole program.
const fn whole(fault: Fault) -> Fault {
    Fault { package: "twinspan", binary: &["--test", "it"], ..fault }
}

/// A simulated world that starts with a lie.
const fn lie(what: &'static str, to: &'static str, test: &'static str, tests: &'static str) -> Fault {
    Fault {
        end: End::Simulator,
        what,
        file: "steps/sim/src/world.rs",
        from: "lies: BTreeSet::new(),",
        to,
        package: "twinspan-sim",
        binary: &["--lib"],
        test,
        tests,
        data: false,
    }
}

const fn client(
    what: &'static str,
    file: &'static str,
    (from, to): (&'static str, &'static str),
    test: &'static str,
    tests: &'static str,
) -> Fault {
    Fault {
        end: End::Client,
        what,
        file,
        from,
        to,
        package: "twinspan-steps",
        binary: &["--lib"],
        test,
        tests,
        data: false,
    }
}

const fn with_data(fault: Fault) -> Fault {
    Fault { data: true, ..fault }
}

/// Detected with Microsoft's own specifications.
const fn described(fault: Fault) -> Fault {
    Fault {
        package: "twinspan",
        binary: &["--test", "it"],
        test: "specification::everything_that_is_sent_and_answered_is_as_microsofts_files_describe_it",
        tests: "tests/it/specification.rs",
        ..with_data(fault)
    }
}

pub(super) const FAULTS: &[Fault] = &[
    lie(
        "both sides say Connected while the network manager does not have the scope",
        "lies: BTreeSet::from([Lie::EagerConnected]),",
        "network::tests::two_halves_that_name_each_other_become_connected_after_the_lag_and_show_on_the_manager",
        "steps/sim/src/network/tests.rs",
    ),
    lie(
        "one side of a connection is enough",
        "lies: BTreeSet::from([Lie::OneHalfEnough]),",
        "network::tests::halves_that_do_not_name_each_other_stay_pending",
        "steps/sim/src/network/tests.rs",
    ),
    lie(
        "a linked resource of another tenant needs no auxiliary token",
        "lies: BTreeSet::from([Lie::NoAuxiliaryCheck]),",
        "network::tests::groups::a_member_of_another_tenant_needs_the_auxiliary_token",
        "steps/sim/src/network/tests/groups.rs",
    ),
    lie(
        "a token of any tenant is good everywhere",
        "lies: BTreeSet::from([Lie::AnyTenantToken]),",
        "arm::tests::a_token_of_another_tenant_is_refused_and_the_right_issuer_named",
        "steps/sim/src/arm/tests.rs",
    ),
    lie(
        "DELETE returns 200 and deletes nothing",
        "lies: BTreeSet::from([Lie::DeleteDeletesNothing]),",
        "network::tests::a_deleted_thing_is_still_read_until_the_lag_is_over_and_breaks_its_link_at_once",
        "steps/sim/src/network/tests.rs",
    ),
    lie(
        "lists of members are empty",
        "lies: BTreeSet::from([Lie::EmptyList]),",
        "network::tests::groups::a_member_is_updating_first_and_then_has_a_region",
        "steps/sim/src/network/tests/groups.rs",
    ),
    lie(
        "a static member stays Updating",
        "lies: BTreeSet::from([Lie::MemberNeverSettles]),",
        "network::tests::groups::a_member_is_updating_first_and_then_has_a_region",
        "steps/sim/src/network/tests/groups.rs",
    ),
    lie(
        "a role assignment is listed and never takes effect",
        "lies: BTreeSet::from([Lie::RoleNeverEffective]),",
        "authorization::tests::a_role_takes_ten_minutes_and_the_words_say_so",
        "steps/sim/src/authorization/tests.rs",
    ),
    client(
        "the auxiliary token is not sent",
        "steps/src/azure/caller.rs",
        ("if !tokens.auxiliary.is_empty() {", "if tokens.auxiliary.len() > 9 {"),
        "azure::tests::a_write_carries_the_attempts_id_the_runs_id_and_both_tokens",
        "steps/src/azure/tests.rs",
    ),
    client(
        "only one of the two forms of 404 means absent",
        "steps/src/azure/words.rs",
        (
            "            && !OTHER.contains(&words.code.as_str())",
            "            && words.code == \"ResourceNotFound\" && !OTHER.contains(&words.code.as_str())",
        ),
        "azure::tests::both_makers_of_404_mean_absent_and_a_hidden_subscription_does_not",
        "steps/src/azure/tests.rs",
    ),
    client(
        "an empty link to the next page is followed",
        "steps/src/azure/paging.rs",
        (".filter(|link| !link.is_empty())", ""),
        "azure::tests::pages_are_followed_on_our_host_only_and_not_for_ever",
        "steps/src/azure/tests.rs",
    ),
    with_data(client(
        "Pending is taken for Connected",
        "steps/src/avnm/connection.rs",
        ("\"Pending\" => ConnectionState::Pending,", "\"Pending\" => ConnectionState::Connected,"),
        "kinds::recorded_test::every_recorded_answer_is_read_and_means_what_it_says",
        "steps/src/kinds/recorded_test.rs",
    )),
    with_data(client(
        "an Updating member counts as present",
        "steps/src/avnm.rs",
        ("\"\" | \"Succeeded\" =>", "\"\" | \"Updating\" | \"Succeeded\" =>"),
        "kinds::recorded_test::every_recorded_answer_is_read_and_means_what_it_says",
        "steps/src/kinds/recorded_test.rs",
    )),
    whole(client(
        "rate limits in responses are ignored",
        "steps/src/azure/caller.rs",
        ("self.azure.limits.heard(&lane, &parts.headers, self.cx.steady());", ""),
        "throttling::what_the_answers_say_is_left_slows_the_client_before_it_is_refused",
        "tests/it/throttling.rs",
    )),
    whole(client(
        "the sign-in command lacks the claims challenge",
        "steps/src/azure/unauthorized.rs",
        (
            "claims.map(|claims| format!(\" --claims-challenge {}\", sh::word(claims))).unwrap_or_default();",
            "String::new();",
        ),
        "failures::every_refusal_is_met_and_read_and_ends",
        "tests/it/failures.rs",
    )),
    whole(client(
        "a token that the credential returns again counts as new",
        "steps/src/azure/tokens.rs",
        ("token.same = self.refused", "token.same = None::<SecretString>"),
        "failures::every_refusal_is_met_and_read_and_ends",
        "tests/it/failures.rs",
    )),
    whole(client(
        "a role that another process assigned is not known",
        "steps/src/azure/caller.rs",
        ("given: &Grant::in_receipts(self.cx.needed_receipts),", "given: &Grant::in_receipts(&[]),"),
        "failures::another_process_knows_that_a_role_was_given_a_moment_ago",
        "tests/it/failures.rs",
    )),
    described(client(
        "another api-version is sent",
        "steps/src/azure/arm.rs",
        (
            "pub(crate) const NETWORK_API: &str = \"2024-10-01\";",
            "pub(crate) const NETWORK_API: &str = \"2023-09-01\";",
        ),
        "",
        "",
    )),
    described(client(
        "a field of a scope connection has another name",
        "steps/src/kinds/scope_connection.rs",
        ("    resource_id: &'a str,\n", "    #[serde(rename = \"scopeId\")]\n    resource_id: &'a str,\n"),
        "",
        "",
    )),
    described(Fault {
        end: End::Simulator,
        file: "steps/sim/src/network/connections.rs",
        what: "the state of a connection has another name",
        from: "properties.insert(\"connectionState\".to_owned()",
        to: "properties.insert(\"state\".to_owned()",
        ..client("", "", ("", ""), "", "")
    }),
    with_data(Fault {
        end: End::Simulator,
        file: "steps/sim/src/paging.rs",
        what: "the last page of a list has no link at all",
        from: "Ok(json!({ \"value\": value, \"nextLink\": next }))",
        to: "Ok(json!({ \"value\": value }))",
        package: "twinspan-sim",
        binary: &["--test", "replay"],
        test: "recorded_sessions_get_the_answers_that_azure_gave",
        tests: "steps/sim/tests/replay.rs",
        ..client("", "", ("", ""), "", "")
    }),
];
