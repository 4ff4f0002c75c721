//! Documents that pass, and documents that do not.

use super::*;

const LIMITS: Limits = Limits { tokens: 2000, directives: 100, aliases: 50, root_fields: 20, depth: 12, cost: 10_000 };

/// All of the guard, as a request passes it.
fn guarded(query: &str, operation: Option<&str>, variables: &Variables) -> Result<Guarded, Refused> {
    let document = parse(query, LIMITS)?;
    expand(&document, LIMITS)?;
    guard(&only(&document, operation)?, variables, LIMITS)
}

fn refusal(query: &str) -> &'static str {
    guarded(query, None, &Variables::default()).map_or_else(|refused| refused.code, |_| "")
}

#[test]
fn documents_within_the_limits_pass() {
    for query in [
        "{ me { id } }",
        "query Q($n: Int) { users(first: $n) { nodes { ...U } } } fragment U on User { id roles { name } }",
        // No more rows are answered than a page has, whatever is asked for.
        "{ users(first: 1000000) { nodes { id } } }",
        "{ users(first: 50) { nodes { roles { name } hotels(first: 5) { nodes { name } } } } }",
        "mutation { login(input: {email: \"{[(\", password: \"\"\"[[ \\\"\"\" [[\"\"\"}) { errors { code } } }",
        "# {{{{ comment\n{ me { id } }",
    ] {
        assert_eq!(refusal(query), "", "{query}");
    }
    assert_eq!(refusal(&format!("{{ {}: me {{ id }} }}", "a".repeat(256))), "");
}

#[test]
fn hostile_documents_do_not() {
    let nested_lists = format!("{{a(x:{}1{})}}", "[".repeat(2000), "]".repeat(2000));
    let nested_objects = format!("{{a(x:{}1{})}}", "{a:".repeat(2000), "}".repeat(2000));
    let unclosed = "[".repeat(4000);
    let many_tokens = format!("{{ {} }}", "a ".repeat(2000));
    let deep = format!("{}{{a}}{}", "{a".repeat(12), "}".repeat(12));
    // 2^40 fields if it were expanded.
    let bomb: String = (0..40).map(|n| format!("fragment F{n} on User {{ ...F{} ...F{} }}", n + 1, n + 1)).collect();
    let bomb = format!("{{ me {{ ...F0 }} }} {bomb} fragment F40 on User {{ id }}");
    let chain: String = (0..64).map(|n| format!("fragment F{n} on User {{ ...F{} }}", n + 1)).collect();
    let chain = format!("{{ me {{ ...F0 }} }} {chain} fragment F64 on User {{ id }}");
    // 4^32 fields: as many as a counter that runs over takes for none.
    let round: String =
        (0..32).map(|n| format!("fragment F{n} on User {{ {} }}", format!("...F{} ", n + 1).repeat(4))).collect();
    let round = format!("{{ me {{ ...F0 }} }} {round} fragment F32 on User {{ id }}");
    let directives = format!("{{ ... {} {{ me {{ id }} }} }}", "@include(if: true)".repeat(101));
    let rows = "{ users(first: 100) { nodes { hotels(first: 100) { nodes { id name } } } } }";
    let overflow = format!("{}id{}", "{ users(first: 100) { nodes ".repeat(6), "} }".repeat(6))
        .replace("nodes id", "nodes { id }");
    let mutations = "mutation { a b c d e f g h i j k }".to_owned();
    let roots = format!("{{ {} }}", "a ".repeat(21));
    let name = "a".repeat(257);
    let (long_alias, long_fragment) = (format!("{{ {name}: me {{ id }} }}"), format!("{{ ...{name} }}"));
    let aliases = format!("{{ me {{ {} }} }}", (0..51).map(|n| format!("a{n}: id ")).collect::<String>());
    for query in [
        &mutations,
        &roots,
        &aliases,
        &long_alias,
        &long_fragment,
        &nested_lists,
        &nested_objects,
        &unclosed,
        &many_tokens,
        &deep,
        &bomb,
        &chain,
        &round,
        &directives,
        rows,
        &overflow,
    ] {
        assert_eq!(refusal(query), code::QUERY_TOO_COMPLEX, "{query:.80}");
    }
}

#[test]
fn rows_within_rows_are_more_than_a_counter_holds() {
    let limits = Limits { depth: 100, ..LIMITS };
    // 100^12 is more than 2^64.
    let deep = format!("{}{{ id }}{}", "{ users(first: 100) { nodes ".repeat(12), "} }".repeat(12));
    let document = parse(&deep, limits).unwrap();
    let refused = guard(&document, &Variables::default(), limits).unwrap_err();
    assert_eq!(refused.exceeded.unwrap().asked, u64::MAX);
}

#[test]
fn what_cannot_be_right_is_bad_input() {
    for query in [
        "",
        "{",
        "{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A }",
        "{ me { ...Missing } }",
        "query A { me { id } } query B { me { id } }",
        "{ user(by: {email: \"a\\u0000b\"}) { id } }",
        "mutation { a: login(input: {}) { retryAfter } b: login(input: {}) { retryAfter } }",
        "mutation { logout { revokedSessions } logout { revokedSessions } }",
        "mutation { ...A ...A } fragment A on Mutation { login(input: {}) { retryAfter } }",
    ] {
        assert_eq!(refusal(query), code::BAD_USER_INPUT, "{query}");
    }
    let variables = Variables::from_json(serde_json::json!({"a": [{"b": "x\0y"}]}));
    let refused = guarded("{ me { id } }", None, &variables).unwrap_err();
    assert_eq!(refused.code, code::BAD_USER_INPUT);
    assert!(guarded("{ me { id } }", Some("Other"), &Variables::default()).is_err());
}

#[test]
fn rows_asked_for_by_variable_count_too() {
    let query = "query Q($n: Int) { users(first: $n) { nodes { hotels(first: $n) { nodes { id name } } } } }";
    let few = Variables::from_json(serde_json::json!({"n": 5}));
    let many = Variables::from_json(serde_json::json!({"n": 100}));
    assert!(guarded(query, None, &few).is_ok());
    assert_eq!(guarded(query, None, &many).unwrap_err().code, code::QUERY_TOO_COMPLEX);
    assert_eq!(guarded(query, None, &Variables::default()).map(|_| ()), Ok(()), "25 rows where none are given");
}

#[test]
fn users_named_in_a_bulk_mutation_count_too() {
    let whole =
        "mutation($i: AssignRolesInput!) { assignRoles(input: $i) { users { hotels(first: 50) { nodes { id } } } } }";
    let part = "mutation($u: [ID!]!) { assignRoles(input: {users: $u, roles: []}) { users { hotels(first: 50) { nodes { id } } } } }";
    for (users, fits) in [(1, true), (90, true), (1000, false)] {
        let ids = vec!["user:1"; users];
        let inline = format!(
            "mutation {{ unassignHotels(input: {{users: {ids:?}}}) {{ users {{ hotels(first: 50) {{ nodes {{ id }} }} }} }} }}"
        );
        for (query, variables) in [
            (whole, serde_json::json!({ "i": { "users": ids, "roles": [] } })),
            (part, serde_json::json!({ "u": ids })),
            (inline.as_str(), serde_json::json!({})),
        ] {
            let guarded = guarded(query, None, &Variables::from_json(variables));
            assert_eq!(
                guarded.map(|_| ()).map_err(|refused| refused.code),
                if fits { Ok(()) } else { Err(code::QUERY_TOO_COMPLEX) },
                "{users}: {query:.60}"
            );
        }
    }
}

#[test]
fn sign_ins_are_recognised() {
    let signs_in = |query| signs_in(&parse(query, LIMITS).unwrap(), None);
    assert!(signs_in("mutation { login(input: {}) { retryAfter } }"));
    assert!(signs_in("mutation { r: refresh(input: {}) { errors { code } } }"));
    assert!(!signs_in("mutation { logout { revokedSessions } }"));
    assert!(!signs_in("{ login }"));
    let signs_out = |query| signs_out(&parse(query, LIMITS).unwrap(), None);
    assert!(signs_out("mutation { logout { revokedSessions } }"));
    assert!(signs_out("mutation { ...f } fragment f on Mutation { out: logout { revokedSessions } }"));
    assert!(!signs_out("mutation { logout { revokedSessions } deleteUser(input: {}) { errors { code } } }"));
    assert!(!signs_out("mutation { login(input: {}) { retryAfter } }"));
    assert!(!signs_out("{ logout }"));
}
