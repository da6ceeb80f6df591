//! Where the files are known to be wrong, or say less than Azure does. One entry each, with the reason; an entry
//! that is no longer needed fails the test.

/// A finding that is no error of twinspan or the simulator.
pub(super) struct Exception {
    /// All of these occur in the finding.
    pub(super) parts: &'static [&'static str],
    pub(super) reason: &'static str,
}

impl Exception {
    pub(super) fn explains(&self, finding: &str) -> bool {
        self.parts.iter().all(|part| finding.contains(part))
    }
}

pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        parts: &["ResourceGroups_", "request query api-version: 2022-09-01 is sent, 2025-04-01 is checked"],
        reason: "`arm.resource` sends the api-version that the plan gives; its example gives an older one, whose requests the \
                 newer file allows",
    },
    Exception {
        parts: &["ManagementGroups_List ", "/@nextLink value is not of type \"string\""],
        reason: "described as a string; the official example of the same operation has `null`",
    },
    Exception {
        parts: &["RoleAssignments_", " response ", "/properties/condition value is not of type \"string\""],
        reason: "described as a string; Azure gives `null` for what was not set",
    },
    Exception {
        parts: &[
            "RoleAssignments_",
            " response ",
            "/properties/conditionVersion value is not of type \"string\"",
        ],
        reason: "as `condition`",
    },
    Exception {
        parts: &[
            "RoleAssignments_",
            " response ",
            "/properties/delegatedManagedIdentityResourceId value is not of type \"string\"",
        ],
        reason: "as `condition`",
    },
    Exception {
        parts: &["RoleAssignments_", " response ", "/properties/description value is not of type \"string\""],
        reason: "as `condition`",
    },
    Exception {
        parts: &["Subscriptions_List ", "'count' was unexpected"],
        reason: "Azure adds the number of entries; the file does not describe it",
    },
    Exception {
        parts: &["Subscriptions_List ", "\"nextLink\" is a required property"],
        reason: "required by the file; Azure leaves it out on the last page",
    },
    Exception {
        parts: &["Tenants_List ", "\"nextLink\" is a required property"],
        reason: "as for subscriptions",
    },
    Exception {
        parts: &["Graph GET user", "createdDateTime", "user has no "],
        reason: "the file holds a part of the user's properties; Microsoft Graph's reference of the resource type has it",
    },
    Exception {
        parts: &["Graph GET user", "proxyAddresses", "user has no "],
        reason: "as `createdDateTime`",
    },
];
