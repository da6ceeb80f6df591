//! Recognizes secrets in fields of resources: by the words of a field's name, and by the form of a text.

/// Last words of names of secrets.
const LAST: [&str; 18] = [
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "secrets",
    "psk",
    "credential",
    "credentials",
    "token",
    "tokens",
    "sas",
    "pfx",
    "sharedaccesssignature",
    "connectionstring",
    "connectionstrings",
];

/// Words before `key` (or `keys`) that make it a secret: a key alone, a public key or a partition key is none.
const BEFORE_KEY: [&str; 21] = [
    "shared",
    "preshared",
    "psk",
    "primary",
    "secondary",
    "access",
    "account",
    "storage",
    "workspace",
    "api",
    "private",
    "authorization",
    "master",
    "admin",
    "function",
    "functions",
    "host",
    "signing",
    "subscription",
    "symmetric",
    "auth",
];

/// Names of secrets whose last word says too little.
const WHOLE: [&[&str]; 9] = [
    &["shared", "access", "signature"],
    &["connection", "string"],
    &["connection", "strings"],
    &["azure", "web", "jobs", "storage"],
    &["azure", "web", "jobs", "dashboard"],
    &["pfx", "blob"],
    &["pfx", "data"],
    &["pfx", "content"],
    &["protected", "settings"],
];

/// Words that may follow a secret's name without making it another thing (`secretValue`, not `secretName`).
const VALUE: [&str; 3] = ["value", "text", "data"];

/// Words before `token` that make it a place in a list.
const NO_SECRET_TOKEN: [&str; 5] = ["continuation", "skip", "next", "cancellation", "page"];

/// Compounds that are also written as one word, in lower case.
const COMPOUND: [&str; 15] = [
    "password",
    "passphrase",
    "secret",
    "connectionstring",
    "sharedkey",
    "sharedaccesskey",
    "accesskey",
    "accountkey",
    "apikey",
    "primarykey",
    "secondarykey",
    "privatekey",
    "authorizationkey",
    "accesstoken",
    "sastoken",
];

/// Parameters of a connection string that contain a secret, in lower case.
const IN_CONNECTION_STRINGS: [&str; 8] = [
    "accountkey",
    "sharedaccesskey",
    "sharedaccesssignature",
    "sharedsecret",
    "sharedsecretvalue",
    "password",
    "pwd",
    "clientsecret",
];

/// Whether a field of this name holds a secret. Names are compared by their words, so `keyVaultId` and `tokenLifetime` are no
/// secrets.
pub(crate) fn is_name(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => false,
        [before @ .., last] if VALUE.contains(last) && is_words(before) => true,
        all => is_words(all),
    }
}

fn is_words(words: &[&str]) -> bool {
    let Some((last, before)) = words.split_last() else { return false };
    let previous = before.last().copied().unwrap_or_default();
    match *last {
        "token" | "tokens" if NO_SECRET_TOKEN.contains(&previous) => false,
        "key" | "keys" => BEFORE_KEY.contains(&previous),
        last => {
            LAST.contains(&last)
                || COMPOUND.iter().any(|compound| last.ends_with(compound))
                || WHOLE.iter().any(|whole| words.ends_with(whole))
        }
    }
}

/// The words of a name in lower case, without numbers: `vpnPSK2`, `vpn_psk` and `vpn-psk` have the words vpn and psk.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let chars: Vec<char> = name.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        if !c.is_alphabetic() {
            open = false;
            continue;
        }
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let after = chars.get(at + 1);
        let begins = c.is_uppercase()
            && (before.is_some_and(|before| before.is_lowercase())
                || after.is_some_and(|after| after.is_lowercase()));
        match words.last_mut() {
            Some(word) if open && !begins => word.extend(c.to_lowercase()),
            _ => words.push(c.to_lowercase().collect()),
        }
        open = true;
    }
    words
}

/// Whether a text in a field with a secret's name only refers to a secret: a resource id, a reference to Key Vault, or an
/// expression of a template.
pub(crate) fn refers(text: &str) -> bool {
    let lower = text.trim().to_ascii_lowercase();
    let begins = |start: &str| lower.starts_with(start);
    begins("/subscriptions/")
        || begins("@microsoft.keyvault(")
        || begins("https://") && lower.contains(".vault.") && !lower.contains("sig=")
        || begins("[") && !begins("[[") && lower.ends_with(")]")
}

/// Whether a text contains a secret by its form: a connection string with a key or password, a signed URL, a URL with a
/// password, a private key, a JSON web token.
pub(crate) fn is_value(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("-----begin ") && lower.contains("private key-----")
        || ["?sig=", "&sig="].iter().any(|name| follows(&lower, name, "&#"))
        || connects(&lower)
        || has_password(text)
        || text.split(|c: char| !is_token_character(c)).any(is_token)
}

/// Whether `name` occurs with a value that ends before a character of `ends`.
fn follows(lower: &str, name: &str, ends: &str) -> bool {
    lower.match_indices(name).any(|(at, _)| {
        let value = &lower[at + name.len()..];
        value.chars().next().is_some_and(|first| !ends.contains(first) && !first.is_whitespace())
    })
}

fn connects(lower: &str) -> bool {
    // The parts of a connection string are separated by `;`; it may stand inside a longer text.
    lower.split([';', '"', '\'', '\n', ',']).any(|part| {
        let Some((name, value)) = part.split_once('=') else { return false };
        let name = name.split_whitespace().last().unwrap_or_default();
        !value.trim().is_empty() && IN_CONNECTION_STRINGS.contains(&name)
    })
}

/// Whether a URL names a user with a password: `https://user:password@host`.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, separator)| {
        let rest = &text[at + separator.len()..];
        let end = rest.find(|c: char| c == '/' || c == '?' || c.is_whitespace()).unwrap_or(rest.len());
        let user = rest[..end].rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// A JSON web token: header and claims are JSON in base64, so both begin with `eyJ`.
fn is_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    matches!(parts.as_slice(), [header, claims, signature]
        if header.starts_with("eyJ") && claims.starts_with("eyJ") && !signature.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_by_their_words() {
        for name in [
            "sharedKey",
            "preSharedKey",
            "presharedkey",
            "psk",
            "pskKey",
            "vpnPsk",
            "vpnPSK2",
            "vpn-psk",
            "password",
            "adminPassword",
            "admin_password",
            "ADMIN_PASSWORD",
            "dbpassword",
            "administratorLoginPassword",
            "pwd",
            "Pwd",
            "passphrase",
            "clientSecret",
            "secret",
            "secretValue",
            "secretText",
            "radiusServerSecret",
            "connectionString",
            "connection_string",
            "storageConnectionString",
            "primaryKey",
            "secondaryKey",
            "accessKey",
            "accountKey",
            "storageAccountKey",
            "workspaceKey",
            "apiKey",
            "APIKey",
            "Ocp-Apim-Subscription-Key",
            "privateKey",
            "sasToken",
            "SASToken",
            "sharedAccessKey",
            "sharedAccessSignature",
            "authorizationKey",
            "token",
            "accessToken",
            "authToken",
            "deploymentToken",
            "pfxBlob",
            "azureWebJobsStorage",
            "AzureWebJobsStorage",
            "protectedSettings",
            "credential",
        ] {
            assert!(is_name(name), "{name}: {:?}", words(name));
        }
        for name in [
            "keyVaultId",
            "keyVaultUri",
            "publicKey",
            "publicKeyData",
            "keyData",
            "tokenLifetime",
            "tokenType",
            "skipToken",
            "continuationToken",
            "keyName",
            "key",
            "key1",
            "primaryKeyName",
            "sharedAccessKeyName",
            "secretName",
            "secretUri",
            "secretId",
            "secretPermissions",
            "passwordPolicy",
            "passwordAuthentication",
            "disablePasswordAuthentication",
            "credentialId",
            "partitionKey",
            "monkey",
            "name",
            "value",
            "",
            "_",
        ] {
            assert!(!is_name(name), "{name}: {:?}", words(name));
        }
    }

    #[test]
    fn secrets_are_known_by_their_form() {
        for text in [
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==;EndpointSuffix=x",
            "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=abc=",
            "Server=tcp:x;User ID=a;Password=b;",
            "server=x; pwd = b",
            "https://x.blob.core.windows.net/c?sv=2020&sig=abc%3D",
            "https://x.blob.core.windows.net/c?sig=abc",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk",
            "https://nina:hunter2@git.example/x",
        ] {
            assert!(is_value(text), "{text}");
        }
        for text in [
            "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=a",
            "Server=tcp:x;Authentication=Active Directory Default",
            "Password=;",
            "https://x.blob.core.windows.net/c?sv=2020",
            "https://x.blob.core.windows.net/c?sig=&x=1",
            "https://nina@git.example/x:y",
            "-----BEGIN CERTIFICATE-----\nMIIE",
            "-----BEGIN PUBLIC KEY-----",
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJ.x.y",
            "[concat('AccountKey=', listKeys('x', 'y').keys[0].value)]",
            "a plain text",
            "",
        ] {
            assert!(!is_value(text), "{text}");
        }
    }

    #[test]
    fn what_names_the_place_of_a_secret_is_none() {
        for text in [
            "/subscriptions/x/resourceGroups/y",
            "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)",
            "https://v.vault.azure.net/secrets/s",
            "[parameters('adminPassword')]",
        ] {
            assert!(refers(text), "{text}");
        }
        for text in ["abc", "[abc]", "[[x()]", "https://x.example/secrets"] {
            assert!(!refers(text), "{text}");
        }
    }
}
