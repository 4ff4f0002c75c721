//! What must be answered, though it looks like something that must not.

use super::{Documents, Requests};

pub const VALID: Documents = &[
    (
        "what is ignored may be anywhere between tokens",
        &[
            "\u{feff}{ __typename }",
            "{ \u{feff}__typename }",
            "{__typename}",
            "{me{id email}viewer{__typename}}",
            ",,{,me,{,id,,email,},},",
            "{ users(,first: 1,,last: null,) { totalCount } }",
            "{\r__typename\r\n}\n\t",
            "# before\n{ # within }\n__typename } # after",
            "{ # ends with the line\r__typename }",
            "query ( $ n : Int = 1 ) { users ( first : $ n ) { totalCount } }",
            "{ me { ... F } __typename @ include ( if : true ) } fragment F on User { id }",
            "query($n:Int){users(first:$n){totalCount}}",
            "{ me { ...on User { id } } }",
            "{ me { ... on # whom\n User { id } } }",
            "query ($ids: [ ID ! ] ! = []) { nodes(ids: $ids) { id } }",
            "{ nodes(ids: [\"hotel:a\"\"hotel:b\"]) { id } }",
        ],
    ),
    (
        "words of the language are names like others",
        &[
            "query query { __typename }",
            "query on { __typename }",
            "query true { __typename }",
            "{ query: __typename fragment: __typename on: __typename null: __typename true: me { mutation: id } }",
            "{ ...fragment } fragment fragment on Query { __typename }",
            "{ ...type } fragment type on Query { __typename }",
            "{ ...onward } fragment onward on Query { __typename }",
            "query queryAll { trueName: __typename nullable: __typename }",
            "query ($null: Boolean! = true, $on: Boolean! = false) { __typename @include(if: $null) @skip(if: $on) }",
            "{ _: __typename _1: __typename A_b: __typename }",
        ],
    ),
    (
        "strings hold what may be escaped, and blocks hold lines",
        &[
            r#"{ node(id: "") { id } }"#,
            r#"{ node(id: """""") { id } }"#,
            r#"{ user(by: {email: "\" \\ \/ \b \f \n \r \t \u00e9"}) { id } }"#,
            r#"{ user(by: {email: "größe 😀 # { ( ["}) { id } }"#,
            r#"{ user(by: {email: """
                "quoted", \""" and \u{no escape}
                  # no comment
            """}) { id } }"#,
        ],
    ),
    (
        "fields that are one field merge",
        &[
            "{ me { email email } }",
            "{ me { x: email x: email } }",
            "{ me { ...A ...B } } fragment A on User { x: email } fragment B on User { x: email id }",
            "{ users(first: 1, after: null) { totalCount } users(after: null, first: 1) { pageInfo { endCursor } } }",
            "query ($n: Int = 1) { users(first: $n) { totalCount } users(first: $n) { totalCount } }",
            "{ roles(filter: {active: true, permission: null}) { totalCount }
                roles(filter: {permission: null, active: true}) { totalCount } }",
            "query ($a: Boolean = true, $b: Boolean = false) { me @skip(if: $a) { id } me @skip(if: $b) { email } }",
            "{ me { hotels(first: 1) { totalCount } } me { hotels(first: 1) { nodes { id } } } }",
            "{ node(id: \"user:00000000-0000-4000-8000-000000000000\") { x: id ... on User { x: id } ... on Role { x: id } } }",
        ],
    ),
    (
        "fields that no object has both of differ as they like, in one shape",
        &[
            "{ node(id: \"user:00000000-0000-4000-8000-000000000000\") { ... on User { x: displayName } ... on Role { x: name } } }",
            "{ node(id: \"user:00000000-0000-4000-8000-000000000000\") { ... on User { x: failedLoginAttempts } ... on Node { y: id } } }",
            "{ node(id: \"user:00000000-0000-4000-8000-000000000000\") { ... on Hotel { users(first: 1) { totalCount } }
                ... on Role { users(first: 2) { totalCount } } } }",
            "{ node(id: \"user:00000000-0000-4000-8000-000000000000\") { ... on User { x: hotels { y: totalCount nodes { z: name } } }
                ... on Role { x: users { y: totalCount nodes { z: email } } } } }",
        ],
    ),
    (
        "fragments apply where they can",
        &[
            "{ ... { __typename } }",
            "{ ... on Query { ... on Query { me { id } } } }",
            "{ ... @include(if: true) { __typename } }",
            "{ me { ...F } } fragment F on Node { id }",
            "{ me { ... on Actor { ... on User { email } } } }",
            "{ node(id: \"user:00000000-0000-4000-8000-000000000000\") { __typename id ... on User { email } ... on Actor { __typename } } }",
            "{ viewer { __typename ... on Node { id } ... on User { email } ... on Actor { ...F } } }
                fragment F on User { id }",
            "{ viewer { ... on Node { ... on Role { name } } } }",
            "{ me { ...A } } fragment D on User { id } fragment B on User { ...D } fragment C on User { ...D }
                fragment A on User { ...B ...C ...D }",
            "{ me { ...F createdBy { ...F updatedBy { ...F } } } } fragment F on User { id }",
        ],
    ),
    (
        "directives stand where they may",
        &[
            "{ __typename @skip(if: true) }",
            "{ me @skip(if: true) { id } }",
            "{ __typename @skip(if: false) @include(if: true) }",
            "query ($v: Boolean! = true) { __typename @skip(if: $v) me { ...F @skip(if: $v) ... @skip(if: $v) { id } } }
                fragment F on User { id @skip(if: $v) }",
            "mutation { deleteRole(input: {id: \"role:x\"}) @skip(if: true) { deletedId } }",
        ],
    ),
    (
        "null is a value where it may be one, and what is left out is none",
        &[
            "{ users(first: null) { totalCount } }",
            "{ users(first: null, after: null, filter: null, orderBy: null) { totalCount } }",
            "{ users(filter: {}) { totalCount } }",
            "{ users(filter: {active: null, hotels: null, search: null}) { totalCount } }",
            "query ($n: Int = null) { users(first: $n) { totalCount } }",
            "query ($n: Int) { users(first: $n) { totalCount } }",
            "query ($a: Boolean) { users(filter: {active: $a}) { totalCount } }",
            "{ users(orderBy: {field: EMAIL}) { totalCount } }",
            "query ($d: OrderDirection) { users(orderBy: {field: EMAIL, direction: $d}) { totalCount } }",
        ],
    ),
    (
        "values become what they are for",
        &[
            "{ node(id: 7) { id } }",
            "{ nodes(ids: \"hotel:hotel-001\") { id } }",
            "{ nodes(ids: []) { id } }",
            "{ users(filter: {hotels: \"hotel:hotel-001\"}) { totalCount } }",
            "{ auditEvents(filter: {types: \"login_failed\"}) { totalCount } }",
            "{ users { totalCount(atMost: 2147483647) } }",
            "mutation { createRole(input: {name: \"x\", displayName: \"\", permissions: \"user:view\"}) {
                errors { code } } }",
            "{ user(by: {id: \"user:00000000-0000-4000-8000-000000000000\"}) { id } role(by: {name: \"X\"}) { id }
                hotel(by: {pmsHotelId: \"x\"}) { id } }",
            "mutation ($x: Int = 1) { updateHotel(input: {id: \"hotel:x\", pmsConfig: {a: [$x, -0, 1.5e-3, null]}}) {
                errors { code } } }",
        ],
    ),
    (
        "defaults stand in for what is required",
        &[
            "query ($n: Int! = 1) { users(first: $n) { totalCount } }",
            "query ($id: ID = \"user:00000000-0000-4000-8000-000000000000\") { node(id: $id) { id } }",
            "query ($ids: [ID!] = [\"hotel:x\"]) { nodes(ids: $ids) { id } }",
            "query ($ids: [ID!]! = \"hotel:x\") { nodes(ids: $ids) { id } }",
            "query ($v: Boolean = true) { __typename @include(if: $v) }",
            "query ($f: UserOrderField = EMAIL) { users(orderBy: {field: $f}) { totalCount } }",
            "query ($o: UserOrder = {field: EMAIL}) { users(orderBy: $o) { totalCount } }",
            "query ($by: UserBy = {email: \"x@h.test\"}) { user(by: $by) { id } }",
            "query ($e: String! = \"x@h.test\") { user(by: {email: $e}) { id } }",
            "query ($id: ID! = \"hotel:x\") { nodes(ids: [$id, \"hotel:y\", $id]) { id } }",
            "query ($ids: [ID!]! = []) { users(filter: {hotels: $ids, roles: $ids}) { totalCount } }",
        ],
    ),
    (
        "the schema answers for itself",
        &[
            "{ __schema { queryType { name } mutationType { name } subscriptionType { name } } }",
            "{ __type(name: \"User\") { ...F } } fragment F on __Type { fields(includeDeprecated: true) { name } }",
            "{ __type(name: \"Nobody\") { name } }",
            "{ me { __typename } users { __typename pageInfo { __typename } } viewer { __typename } }",
        ],
    ),
    (
        "what is new since October 2021: characters beyond 16 bits escaped",
        &[
            r#"{ user(by: {email: "\uD83D\uDE00"}) { id } }"#,
            r#"{ user(by: {email: "\u{1F600}"}) { id } }"#,
            r#"{ user(by: {email: "\u{00e9}"}) { id } }"#,
        ],
    ),
];

pub const VALID_REQUESTS: Requests = &[
    (
        "the operation that is named is run",
        "query A { me { id } } query B($id: ID!) { node(id: $id) { id } }",
        &[
            r#"{"operationName": "A"}"#,
            r#"{"operationName": "B", "variables": {"id": "user:00000000-0000-4000-8000-000000000000"}}"#,
        ],
    ),
    ("the only operation need not be named", "query A { me { id } }", &["{}", r#"{"operationName": null}"#]),
    (
        "a query and a mutation stand in one document",
        "query A { me { id } } mutation B { deleteRole(input: {id: \"role:x\"}) { deletedId } }",
        &[r#"{"operationName": "A"}"#],
    ),
    (
        "operations share fragments and names of variables",
        "query A($n: Int) { me { ...F } } query B($n: Int! = 1) { me { ...F } }
            fragment F on User { hotels(first: $n) { totalCount } }",
        &[
            r#"{"operationName": "A"}"#,
            r#"{"operationName": "A", "variables": {"n": null}}"#,
            r#"{"operationName": "B"}"#,
            r#"{"operationName": "B", "variables": {"n": 2}}"#,
        ],
    ),
    (
        "variables that are not defined do not matter",
        "{ me { id } }",
        &[
            "{}",
            r#"{"variables": null}"#,
            r#"{"variables": {}}"#,
            r#"{"variables": {"x": {"y": [1]}}, "extensions": {}}"#,
        ],
    ),
    (
        "a variable that may be null is null or is not given",
        "query ($n: Int, $f: UserFilter) { users(first: $n, filter: $f) { totalCount } }",
        &[
            "{}",
            r#"{"variables": {"n": null, "f": null}}"#,
            r#"{"variables": {"n": 1, "f": {}}}"#,
            r#"{"variables": {"f": {"active": true, "hotelScope": "ALL", "hotels": ["hotel:x"], "search": null}}}"#,
            r#"{"variables": {"f": {"hotels": "hotel:hotel-001"}}}"#,
            r#"{"variables": {"f": {"hotels": []}}}"#,
        ],
    ),
    (
        "the largest number there is",
        "query ($n: Int) { users { totalCount(atMost: $n) } }",
        &[r#"{"variables": {"n": 2147483647}}"#],
    ),
    (
        "an id is a text or a whole number",
        "query ($id: ID!) { node(id: $id) { id } }",
        &[
            r#"{"variables": {"id": "user:00000000-0000-4000-8000-000000000000"}}"#,
            r#"{"variables": {"id": 7}}"#,
            r#"{"variables": {"id": ""}}"#,
        ],
    ),
    (
        "one item is a list of one",
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        &[r#"{"variables": {"ids": "hotel:hotel-001"}}"#, r#"{"variables": {"ids": []}}"#],
    ),
    (
        "an enum is a text in JSON, and what has a default is left out",
        "query ($o: UserOrder!) { users(orderBy: $o) { totalCount } }",
        &[
            r#"{"variables": {"o": {"field": "EMAIL"}}}"#,
            r#"{"variables": {"o": {"field": "EMAIL", "direction": "DESC"}}}"#,
        ],
    ),
    (
        "one field of those of which there is one",
        "query ($by: UserBy!) { user(by: $by) { id } }",
        &[
            r#"{"variables": {"by": {"id": "user:00000000-0000-4000-8000-000000000000"}}}"#,
            r#"{"variables": {"by": {"email": "x@h.test"}}}"#,
        ],
    ),
    (
        "a variable in one field of those of which there is one",
        "query ($e: String!) { user(by: {email: $e}) { id } }",
        &[r#"{"variables": {"e": "x@h.test"}}"#],
    ),
    (
        "a value of any kind",
        "mutation ($j: JSON) { updateHotel(input: {id: \"hotel:x\", pmsConfig: $j}) { errors { code } } }",
        &["{}", r#"{"variables": {"j": {"a": [1, 1.5, null, {"b": "c"}]}}}"#],
    ),
];
