//! Every code of a diagnostic, and what it means.

/// What a code means and what to do, in a few sentences; `None`: there is no such code.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| *text)
}

/// Every code.
pub fn codes() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(code, _)| *code)
}

/// Codes are stable: one that is no longer used is not given to something else.
const CODES: &[(&str, &str)] = &[
    // The file.
    (
        "TS0001",
        "The plan file holds nothing but blanks and comments. A plan begins with `twinspan: 1` and has a `name` and `steps`.",
    ),
    (
        "TS0002",
        "The file has more than 10 MB and is not read. Plans are small; large tables of targets belong in CSV files that the inputs name.",
    ),
    (
        "TS0003",
        "The file is not UTF-8 text. Save it as UTF-8 in your editor, in Excel as `CSV UTF-8 (Comma delimited)`; a byte order mark is accepted. UTF-16 (Excel: `Unicode Text`) is named where it is recognised.",
    ),
    (
        "TS0004",
        "The file is not valid YAML, or uses a part of YAML that plans do without: several documents, merge keys, keys that are not text. Text that holds `: ` or ` #`, or begins with one of `{ [ & * ! | > ' \" % @`, must be quoted.",
    ),
    ("TS0005", "A tab stands where YAML wants spaces. Indent with spaces only."),
    (
        "TS0006",
        "The file is nested deeper than 64 levels, or its aliases repeat so much that reading it would not end. Neither occurs in a plan that somebody wrote by hand.",
    ),
    (
        "TS0007",
        "A mapping has the same key twice. YAML readers disagree about which one counts, so neither does.",
    ),
    (
        "TS0008",
        "`${{ … }}` stands without quotes inside `{ }` or `[ ]`. There YAML takes the braces for its own. Quote the reference: `{ id: \"${{ inputs.id }}\" }`.",
    ),
    // Its shape.
    (
        "TS0101",
        "A key is not known here. Unknown keys are errors because a misspelt key would otherwise be left out in silence.",
    ),
    ("TS0102", "A key that is always needed is missing."),
    (
        "TS0103",
        "A value has the wrong shape: text, a list or a mapping was expected. Numbers and `true`/`false` where text is expected must be quoted.",
    ),
    (
        "TS0104",
        "`twinspan:` says which version of the plan format the file is written in. This program knows version 1.",
    ),
    (
        "TS0105",
        "An id or a name may have up to 64 letters, digits, `-` and `_`, begins with a letter, and is none of the words `or`, `and`, `not`, `true`, `false`.",
    ),
    ("TS0106", "An entry of `steps` is either a step, with `uses`, or a block, with `steps`."),
    (
        "TS0107",
        "The type of an input is not known or not complete. `choice`, `list`, `map` and `key-of` need `of`; `resource-id` may have it.",
    ),
    (
        "TS0108",
        "A length of time is a number with a unit, or several: `30s`, `10m`, `24h`, `2d`, `1h30m`. The longest is ten years.",
    ),
    (
        "TS0109",
        "The key is known, but means nothing in this place: `identities`, `parallel` and `halt_after` belong to a block with `for_each`, `uses` and what goes with it to a step, `barrier` to a step whose kind is a gate (`approval`, `delay`).",
    ),
    ("TS0110", "This part of the plan format is not carried out yet. It is refused rather than left out."),
    (
        "TS0111",
        "Two steps or blocks have the same id. A block without `for_each` is a heading: ids inside it are plan-wide.",
    ),
    ("TS0112", "A whole number of at least 1 is needed here."),
    // References.
    (
        "TS0201",
        "A reference cannot be read. There is no general language: names like `inputs.NAME` and `steps.ID.OUTPUT`, text in single quotes, whole numbers, `or`, `and`, `not`, `==`, `!=` and parentheses.",
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
        "`each` is known only in a step or block with `for_each` and in what such a block holds. `each.outer` is the next one outwards.",
    ),
    (
        "TS0206",
        "The step is inside a block with `for_each`, so there is one for each element. Say which: `steps.BLOCK[KEY].ID.OUTPUT`, `needs: [\"BLOCK[KEY].ID\"]`.",
    ),
    (
        "TS0207",
        "The types do not fit. Named kinds of text (guid, scope, email …) fit where a string is wanted, but not the other way round, because the text would be checked too late.",
    ),
    (
        "TS0208",
        "The step that is read has a `when`. If that is false, the step is not applicable and its outputs are absent. Add an alternative with `or`, or give the reader the same `when`.",
    ),
    (
        "TS0209",
        "References, or outputs of steps, cannot be used here: defaults and identities are known before the run and refer to inputs only.",
    ),
    (
        "TS0210",
        "A key in brackets chooses an element of a map or an instance of something with `for_each`, and is text. Lists have no positions, because positions shift.",
    ),
    (
        "TS0211",
        "A needed parameter reads an output that its kind does not always give. If it is absent when the step begins, the run stops there.",
    ),
    (
        "TS0214",
        "A secret is read when it is used, and never stored or shown. So it may stand only in a parameter whose kind reads secrets (`body` of `arm.resource`), as the whole value of a field: not in a text, a name, a key, a condition, a `for_each`, a default or an identity.",
    ),
    (
        "TS0213",
        "A reference reads an output of a step with `ensure: absent`. Such a step removes something, so there is nothing that it could put out. Read the step that finds the thing; to wait for the removal, name the step in `needs`.",
    ),
    (
        "TS0212",
        "Titles, notes and words for people are shown as they are written; a reference in them is not replaced.",
    ),
    // Steps.
    ("TS0301", "There is no step kind of this name. `twinspan steps` lists all."),
    ("TS0302", "The kind has no such parameter. `twinspan steps KIND` lists its parameters."),
    ("TS0303", "The kind needs a parameter that is not given."),
    ("TS0304", "The identity is not declared, neither at the top nor in a block around the step."),
    (
        "TS0305",
        "The number of identities in `as` does not fit the kind. Most kinds take exactly one; some read in several tenants; `approval`, `delay` and `command` take none.",
    ),
    (
        "TS0306",
        "`auxiliary` names whose token goes along in the same request. Only kinds that connect two tenants in one request use it.",
    ),
    (
        "TS0307",
        "Steps need each other in a circle, or defaults of inputs refer to each other in one, so that none can begin. A reference to an output is a need, too.",
    ),
    ("TS0308", "An entry of `needs` names no step or block that can be seen from here."),
    (
        "TS0309",
        "A step or block would wait for itself: it needs itself, the block around it, or something inside it.",
    ),
    (
        "TS0314",
        "Every step that is written after a gate (`approval`, `delay`) in the same list of steps waits for it, so a gate cannot need one of them, neither directly nor through other steps. Move the gate behind that step, or write `barrier: false` on the gate: then it holds back only the steps that name it in `needs` or read its outputs.",
    ),
    ("TS0310", "The input is declared, but nothing refers to it."),
    ("TS0311", "A parameter or default has a value of the wrong type."),
    (
        "TS0313",
        "The kind takes one of several sets of parameters that stand for each other (an address, or an object id): exactly one of the sets is to be given, whole. `twinspan steps KIND` lists them.",
    ),
    (
        "TS0312",
        "`ensure: absent` stands on a step whose kind makes nothing that could be removed: it only reads, waits for a person, or makes what is kept on purpose (a registration that others use). `twinspan steps KIND` says whether a kind can be removed.",
    ),
    // Inputs.
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
        "With these inputs a step is applicable, and it needs an optional input that was not given. This is said before anything runs.",
    ),
    (
        "TS0406",
        "An input marked `secret` is given as a reference, `{ env: NAME }`, `{ file: PATH }` or `{ command: [...] }`, and is looked up when it is used. The secret itself is never stored, so it may not stand in a file of inputs.",
    ),
    (
        "TS0407",
        "A table of inputs cannot be read. The first row names the columns, the first column is the key of each row. Cells are separated by `,`, `;` or tabs, as the first row is; items of a list in one cell by `;` (by `|` where `;` separates the cells). A cell of a column that is always needed may not be empty.",
    ),
    ("TS0408", "`--input` takes NAME=VALUE."),
    ("TS0409", "A file that the inputs name cannot be read. Its path is relative to the inputs file."),
    (
        "TS0410",
        "A `for_each` or a map has the same element twice. Elements name the instances, so each must be unique. Names in Azure have no case, so keys that differ in case only, or resource ids that differ in case or in a `/` at the end, are the same.",
    ),
    (
        "TS0411",
        "Two elements of a map mean the same subscription, management group or resource. Each is an instance of its own, and both would change the same scope. This is a warning, because plans may mean that; usually a row was copied.",
    ),
    ("TS0412", "A table has a row of names and no other row, so a `for_each` over it has no element."),
    (
        "TS0413",
        "The cells of this table are separated by `;` or tabs, as a spreadsheet writes them where `,` is the decimal sign. It is read so; the items of a list in one cell are then separated by `|`, or by `;` in a cell in quotes.",
    ),
    (
        "TS0414",
        "The kind does not take this value, and says so before anything runs: a name or a description is too long (the marker that this program adds counts), a prefix is no network, a resource is of another type or lies elsewhere. `twinspan steps KIND` describes each parameter.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Codes in string literals of this crate's source, the table left out.
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
