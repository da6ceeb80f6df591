//! The codes of diagnostics and their explanations.

/// The explanation of a code: its meaning and what to do; `None`: the code does not exist.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| *text)
}

/// All codes.
pub fn codes() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(code, _)| *code)
}

/// Codes are stable: a retired code is never reused.
const CODES: &[(&str, &str)] = &[
    // Codes of the file.
    (
        "TS0001",
        "The plan file contains only blanks and comments. A plan begins with `twinspan: 1` and has a `name` and `steps`.",
    ),
    (
        "TS0002",
        "The file has more than 10 MB and is not read. Plans are small; put large tables of targets into CSV files that the inputs name.",
    ),
    (
        "TS0003",
        "The file is not UTF-8 text. Save it as UTF-8 in your editor, in Excel as `CSV UTF-8 (Comma delimited)`; a byte order mark is accepted. UTF-16 (Excel: `Unicode Text`) is named where it is recognised.",
    ),
    (
        "TS0004",
        "The file is not valid YAML, or uses a part of YAML that plans do not support: several documents, merge keys, keys that are not text. Text that contains `: ` or ` #`, or begins with one of `{ [ & * ! | > ' \" % @`, must be quoted.",
    ),
    ("TS0005", "A tab is used where YAML requires spaces. Indent with spaces only."),
    (
        "TS0006",
        "The file is nested deeper than 64 levels, or its aliases repeat so much that reading it would not end. Neither occurs in a plan written by hand.",
    ),
    (
        "TS0007",
        "A mapping has the same key twice. YAML readers disagree about which one is valid, so this is an error.",
    ),
    (
        "TS0008",
        "`${{ … }}` is not quoted inside `{ }` or `[ ]`. There YAML interprets the braces itself. Quote the reference: `{ id: \"${{ inputs.id }}\" }`.",
    ),
    // Codes of its structure.
    (
        "TS0101",
        "A key is not known here. Unknown keys are errors because a misspelt key would otherwise be ignored.",
    ),
    ("TS0102", "A required key is missing."),
    (
        "TS0103",
        "A value has the wrong structure: text, a list or a mapping was expected. Numbers and `true`/`false` where text is expected must be quoted.",
    ),
    ("TS0104", "`twinspan:` is the version of the plan format. This program supports version 1."),
    (
        "TS0105",
        "An id or a name may have up to 64 letters, digits, `-` and `_`, begins with a letter, and is not one of the words `or`, `and`, `not`, `true`, `false`.",
    ),
    ("TS0106", "An entry of `steps` is either a step, with `uses`, or a block, with `steps`."),
    (
        "TS0107",
        "The type of an input is not known or not complete. `choice`, `list`, `map` and `key-of` need `of`; `resource-id` may have it.",
    ),
    (
        "TS0108",
        "A duration is a number with a unit, or several: `30s`, `10m`, `24h`, `2d`, `1h30m`. The longest is ten years.",
    ),
    (
        "TS0109",
        "The key is known, but has no effect here: `identities`, `parallel` and `halt_after` belong to a block with `for_each`, `uses` and related keys to a step, `barrier` to a step whose kind is a barrier (`approval`, `delay`).",
    ),
    ("TS0110", "This part of the plan format is not supported yet. It is refused rather than ignored."),
    (
        "TS0111",
        "Two steps or blocks have the same id. A block without `for_each` is a heading: ids inside it are plan-wide.",
    ),
    ("TS0112", "A whole number of at least 1 is needed here."),
    // References.
    (
        "TS0201",
        "The syntax of a reference is invalid. References consist of names like `inputs.NAME` and `steps.ID.OUTPUT`, text in single quotes, whole numbers, `or`, `and`, `not`, `==`, `!=` and parentheses.",
    ),
    (
        "TS0202",
        "A reference names a step, a block or a root that does not exist. Roots are `inputs`, `steps`, `each` and `run`.",
    ),
    ("TS0203", "A reference names an input that the plan does not declare."),
    (
        "TS0204",
        "A reference names an output, a field or a part that does not exist, or stops before it names a value. `twinspan steps KIND` lists the outputs of a kind.",
    ),
    (
        "TS0205",
        "`each` is known only in a step or block with `for_each` and inside such a block. `each.outer` is the element of the next enclosing `for_each`.",
    ),
    (
        "TS0206",
        "The step is inside a block with `for_each`, so there is one for each element. Name one: `steps.BLOCK[KEY].ID.OUTPUT`, `needs: [\"BLOCK[KEY].ID\"]`.",
    ),
    (
        "TS0207",
        "The types do not fit. Named types of text (guid, scope, email …) fit where a string is expected, but not vice versa, because the text would be checked too late.",
    ),
    (
        "TS0208",
        "The step that is read has a `when`. If that is false, the step is skipped and its outputs are absent. Add an alternative with `or`, or give the reader the same `when`.",
    ),
    (
        "TS0209",
        "References, or outputs of steps, cannot be used here: defaults and identities are known before the run and refer to inputs only.",
    ),
    (
        "TS0210",
        "A key in brackets selects an element of a map, or an instance of a step or block with `for_each`, and is text. Items of lists cannot be selected, because positions can change.",
    ),
    (
        "TS0211",
        "A required parameter reads an output that is not always present. If it is absent when the step begins, the run stops there.",
    ),
    (
        "TS0214",
        "A secret is read when it is used, and never stored or shown. So it may be used only in a parameter whose kind reads secrets (`body` of `arm.resource`), as the whole value of a field: not in a text, a name, a key, a condition, a `for_each`, a default or an identity.",
    ),
    (
        "TS0215",
        "The field holds a secret, by its name (`sharedKey`, `adminPassword`, the `value` beside `name: accessToken`) or by the form of its text (a connection string with a key, a signed URL, a private key, a token). A plan, its inputs and the outputs of steps are stored in the journal. Declare an input with `secret: true`, refer to it as the whole value of the field, and give it as `{ env: NAME }`, `{ file: PATH }` or `{ command: [PROGRAM] }`. A resource id or a reference to Key Vault may be written.",
    ),
    (
        "TS0213",
        "A reference reads an output of a step with `ensure: absent`. Such a step deletes a resource, so it has no outputs. Read the step that finds the resource; to wait for the deletion, name the step in `needs`.",
    ),
    (
        "TS0212",
        "Titles, notes and descriptions are shown as they are written; a reference in them is not replaced.",
    ),
    // Codes of steps.
    ("TS0301", "There is no step kind of this name. `twinspan steps` lists all kinds."),
    ("TS0302", "The kind has no such parameter. `twinspan steps KIND` lists its parameters."),
    ("TS0303", "The kind needs a parameter that is not given."),
    ("TS0304", "The identity is not declared, neither at the top level nor in an enclosing block."),
    (
        "TS0305",
        "The number of identities in `as` does not fit the kind. Most kinds take exactly one; some read in several tenants; `approval`, `delay` and `command` take none.",
    ),
    (
        "TS0306",
        "`auxiliary` names the identity whose token is sent in addition. Only kinds that connect two tenants in one request use it.",
    ),
    (
        "TS0307",
        "Steps need each other in a cycle, or defaults of inputs refer to each other in a cycle, so that none can begin. A reference to an output is a need, too.",
    ),
    ("TS0308", "An entry of `needs` names no step or block that is visible from here."),
    (
        "TS0309",
        "A step or block would wait for itself: it needs itself, an enclosing block, or a step inside it.",
    ),
    (
        "TS0314",
        "Every step that is written after a barrier (`approval`, `delay`) in the same list of steps waits for it, so a barrier cannot need one of them, neither directly nor through other steps. Move the barrier behind that step, or write `barrier: false` on the barrier: then it holds back only the steps that name it in `needs` or read its outputs.",
    ),
    ("TS0310", "The input is declared, but nothing refers to it."),
    ("TS0311", "A parameter or default has a value of the wrong type."),
    (
        "TS0313",
        "The kind has alternative sets of parameters (an address, or an object id): give exactly one of the sets, complete. `twinspan steps KIND` lists them.",
    ),
    (
        "TS0312",
        "`ensure: absent` is written on a step whose kind creates nothing that can be deleted: it only reads, waits for a person, or creates a resource that is kept on purpose (a registration that others use). `twinspan steps KIND` shows whether a kind supports it.",
    ),
    // Codes of inputs.
    ("TS0401", "An input was given that the plan does not declare."),
    (
        "TS0402",
        "An input without a default was not given, or its default refers to an optional input that was not given.",
    ),
    ("TS0403", "The value of an input does not fit its type."),
    (
        "TS0404",
        "A key does not exist in the map that it belongs to: an input of type `key-of`, or a reference like `inputs.MAP[KEY]`.",
    ),
    (
        "TS0405",
        "With these inputs a step applies, and it needs an optional input that was not given. This is reported before anything runs.",
    ),
    (
        "TS0406",
        "An input marked `secret` is given as a reference, `{ env: NAME }`, `{ file: PATH }` or `{ command: [...] }`, and is read when it is used. The secret itself is never stored, so it may not be written in an inputs file.",
    ),
    (
        "TS0407",
        "A table of inputs cannot be read. The first row names the columns, the first column is the key of each row. Cells are separated by `,`, `;` or tabs, as in the first row; items of a list in one cell by `;` (by `|` where `;` separates the cells). A cell of a required column may not be empty.",
    ),
    ("TS0408", "`--input` takes NAME=VALUE."),
    ("TS0409", "A file that the inputs name cannot be read. Its path is relative to the inputs file."),
    (
        "TS0410",
        "A `for_each` or a map has the same element twice, or an element that cannot name an instance. Elements name the instances, so each must be unique. Names in Azure are not case-sensitive, so keys that differ in case only, or resource ids that differ in case or in a `/` at the end, are the same. A key is not empty and contains no bracket or control character: `connect[x].role` would not be the name of one instance.",
    ),
    (
        "TS0411",
        "Two elements of a map name the same subscription, management group or resource. Each is an instance of its own, and both would change the same scope. This is a warning, because it may be intended; usually a row was copied.",
    ),
    ("TS0412", "A table has a row of names and no other row, so a `for_each` over it has no element."),
    (
        "TS0413",
        "The cells of this table are separated by `;` or tabs, as a spreadsheet writes them where `,` is the decimal sign. It is read accordingly; the items of a list in one cell are then separated by `|`, or by `;` in a cell in quotes.",
    ),
    (
        "TS0414",
        "The kind does not accept this value, which is reported before anything runs: a name or a description is too long (including the marker that this program adds), a prefix is not a network, a resource has another type or location, a subnet does not fit the virtual network of another step. `twinspan steps KIND` describes each parameter.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Collects the codes in string literals of this crate's source, except the table.
    fn used(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, found);
            } else if path.file_name().unwrap() != "explain.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("\"TS") {
                    let code: String =
                        text[at + 1..].chars().take_while(char::is_ascii_alphanumeric).collect();
                    if code.len() == 6 {
                        found.insert(code);
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_is_explained_and_used() {
        let mut found = BTreeSet::new();
        used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let known: BTreeSet<String> = codes().map(str::to_owned).collect();
        assert_eq!(found, known);
        assert_eq!(codes().count(), known.len(), "a code is there twice");
    }

    #[test]
    fn explains_a_code_in_any_case() {
        assert!(explain("ts0107").unwrap().contains("type of an input"));
        assert_eq!(explain("TS9999"), None);
    }
}
