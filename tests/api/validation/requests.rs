//! Operations that cannot be chosen, and variables that are not what the operation says.

use super::Requests;

pub const REQUESTS: Requests = &[
    (
        "operations have names of their own",
        "query A { me { id } } query A { currentSession { id } }",
        &["{}", r#"{"operationName": "A"}"#],
    ),
    ("even where they are alike", "query A { me { id } } query A { me { id } }", &[r#"{"operationName": "A"}"#]),
    (
        "even where they are of different kinds",
        "query A { me { id } } mutation A { deleteRole(input: {id: \"role:x\"}) { deletedId } }",
        &[r#"{"operationName": "A"}"#],
    ),
    (
        "an operation without a name is the only one",
        "{ me { id } } query A { currentSession { id } }",
        &["{}", r#"{"operationName": "A"}"#],
    ),
    (
        "an operation is chosen where there are several, and one that there is",
        "query A { me { id } } query B { currentSession { id } }",
        &["{}", r#"{"operationName": null}"#, r#"{"operationName": "C"}"#, r#"{"operationName": "a"}"#],
    ),
    ("an operation without a name has none", "{ me { id } }", &[r#"{"operationName": "A"}"#]),
    ("a fragment is no operation", "{ ...A } fragment A on Query { __typename }", &[r#"{"operationName": "A"}"#]),
    (
        "the operations that are not run are valid, too",
        "query A { me { id } } query B { nonsense }",
        &[r#"{"operationName": "A"}"#],
    ),
    (
        "a leaf is no leaf in any of them",
        "query A { me } query B { node(id: \"user:x\") } query C { viewer } query D { __typename }",
        &[r#"{"operationName": "D"}"#],
    ),
    (
        "a variable is defined in each operation that uses it",
        "query A($n: Int) { me { ...F } } query B { me { ...F } }
                fragment F on User { hotels(first: $n) { totalCount } }",
        &[r#"{"operationName": "A"}"#, r#"{"operationName": "B", "variables": {"n": 1}}"#],
    ),
    (
        "a variable is used in each operation that defines it",
        "query A($n: Int) { me { ...F } } query B($n: Int, $m: Int) { me { ...F } }
            fragment F on User { hotels(first: $n) { totalCount } }",
        &[r#"{"operationName": "A"}"#],
    ),
    (
        "a required variable is given, and not null",
        "query ($id: ID!) { node(id: $id) { id } }",
        &["{}", r#"{"variables": null}"#, r#"{"variables": {"ID": "user:x"}}"#, r#"{"variables": {"id": null}}"#],
    ),
    (
        "nor is it null where there is a default",
        "query ($n: Int! = 1) { users(first: $n) { totalCount } }",
        &[r#"{"variables": {"n": null}}"#],
    ),
    (
        "even if what it is for is left out",
        "query ($v: Boolean!, $id: ID!) { __typename node(id: $id) @skip(if: $v) { id } }",
        &[r#"{"variables": {"v": true}}"#, r#"{"variables": {"id": "user:x"}}"#],
    ),
    (
        "a variable is a whole number within 32 bits",
        "query ($n: Int) { users { totalCount(atMost: $n) } }",
        &[
            r#"{"variables": {"n": "1"}}"#,
            r#"{"variables": {"n": 1.5}}"#,
            r#"{"variables": {"n": true}}"#,
            r#"{"variables": {"n": [1]}}"#,
            r#"{"variables": {"n": {}}}"#,
            r#"{"variables": {"n": 2147483648}}"#,
            r#"{"variables": {"n": -2147483649}}"#,
            r#"{"variables": {"n": 1e30}}"#,
        ],
    ),
    (
        "a variable is a truth",
        "query ($v: Boolean!) { __typename @include(if: $v) }",
        &[r#"{"variables": {"v": "true"}}"#, r#"{"variables": {"v": 1}}"#, r#"{"variables": {"v": [true]}}"#],
    ),
    (
        "a variable is a text",
        "query ($s: String) { roles(filter: {permission: $s}) { totalCount } }",
        &[
            r#"{"variables": {"s": 12}}"#,
            r#"{"variables": {"s": true}}"#,
            r#"{"variables": {"s": ["user:view"]}}"#,
            r#"{"variables": {"s": {"name": "user:view"}}}"#,
        ],
    ),
    (
        "a variable is an id",
        "query ($id: ID!) { node(id: $id) { id } }",
        &[
            r#"{"variables": {"id": 1.5}}"#,
            r#"{"variables": {"id": false}}"#,
            r#"{"variables": {"id": ["user:x"]}}"#,
            r#"{"variables": {"id": {"key": "x"}}}"#,
        ],
    ),
    (
        "a variable is a name of its enum",
        "query ($s: SessionStatus) { sessions(filter: {status: $s}) { totalCount } }",
        &[
            r#"{"variables": {"s": "GONE"}}"#,
            r#"{"variables": {"s": "active"}}"#,
            r#"{"variables": {"s": "ASSIGNED"}}"#,
            r#"{"variables": {"s": ""}}"#,
            r#"{"variables": {"s": 0}}"#,
            r#"{"variables": {"s": true}}"#,
            r#"{"variables": {"s": ["ACTIVE"]}}"#,
        ],
    ),
    (
        "a variable is a list of its items",
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        &[
            r#"{"variables": {"ids": null}}"#,
            r#"{"variables": {"ids": [null]}}"#,
            r#"{"variables": {"ids": ["user:x", null]}}"#,
            r#"{"variables": {"ids": [["user:x"]]}}"#,
            r#"{"variables": {"ids": ["user:x", true]}}"#,
            r#"{"variables": {"ids": {"0": "user:x"}}}"#,
        ],
    ),
    (
        "a variable is an input object, and so are its fields what they are",
        "query ($f: UserFilter) { users(filter: $f) { totalCount } }",
        &[
            r#"{"variables": {"f": "active"}}"#,
            r#"{"variables": {"f": 1}}"#,
            r#"{"variables": {"f": []}}"#,
            r#"{"variables": {"f": [{"active": true}]}}"#,
            r#"{"variables": {"f": {"colour": "red"}}}"#,
            r#"{"variables": {"f": {"active": true, "Active": true}}}"#,
            r#"{"variables": {"f": {"active": "true"}}}"#,
            r#"{"variables": {"f": {"hotelScope": "SOME"}}}"#,
            r#"{"variables": {"f": {"hotelScope": "DESC"}}}"#,
            r#"{"variables": {"f": {"hotels": [null]}}}"#,
            r#"{"variables": {"f": {"hotels": [["hotel:x"]]}}}"#,
        ],
    ),
    (
        "a required field of a variable is given, and not null",
        "query ($o: UserOrder) { users(orderBy: $o) { totalCount } }",
        &[
            r#"{"variables": {"o": {}}}"#,
            r#"{"variables": {"o": {"direction": "ASC"}}}"#,
            r#"{"variables": {"o": {"field": null}}}"#,
            r#"{"variables": {"o": {"field": "EMAIL", "direction": null}}}"#,
            r#"{"variables": {"o": {"field": "EMAIL", "direction": "UP"}}}"#,
        ],
    ),
    (
        "a variable has exactly one field, and that is not null",
        "query ($by: UserBy!) { user(by: $by) { id } }",
        &[
            r#"{"variables": {"by": {}}}"#,
            r#"{"variables": {"by": {"id": null}}}"#,
            r#"{"variables": {"by": {"id": "user:x", "email": "x@h.test"}}}"#,
            r#"{"variables": {"by": {"id": "user:x", "email": null}}}"#,
            r#"{"variables": {"by": {"name": "x"}}}"#,
            r#"{"variables": {"by": {"email": 1}}}"#,
        ],
    ),
    (
        "the variables of a mutation are looked at before it is run",
        "mutation ($i: CreateRoleInput!) { createRole(input: $i) { errors { code } } }",
        &[
            "{}",
            r#"{"variables": {"i": {"name": "x"}}}"#,
            r#"{"variables": {"i": {"name": "x", "displayName": "", "colour": "red"}}}"#,
            r#"{"variables": {"i": {"name": "x", "displayName": "", "permissions": null}}}"#,
            r#"{"variables": {"i": {"name": "x", "displayName": "", "permissions": [null]}}}"#,
        ],
    ),
];
