#!/bin/sh
# Signs in, pages through all users with their roles, signs out. Needs curl and sed.
set -eu
url=${VOICEHIVE_URL:-http://127.0.0.1:8000}/graphql
email=${VOICEHIVE_EMAIL:-admin@voicehive-hotels.eu}
password=${VOICEHIVE_PASSWORD:-admin123}

# Sends a document with variables: send TOKEN DOCUMENT VARIABLES
send() {
    curl --silent --show-error --fail-with-body "$url" \
        --header 'Content-Type: application/json' ${1:+--header "Authorization: Bearer $1"} \
        --data "{\"query\": \"$2\", \"variables\": $3}"
}
# The string under a key of a JSON answer: field KEY
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

token=$(send '' 'mutation($input: LoginInput!) { login(input: $input) { tokens { accessToken } errors { message } } }' \
    "{\"input\": {\"email\": \"$email\", \"password\": \"$password\"}}" | field accessToken)
[ -n "$token" ] || { echo "The sign-in was refused." >&2; exit 1; }

after=null
while :; do
    page=$(send "$token" 'query($after: String) { users(first: 2, after: $after) { nodes { email roles { name } } pageInfo { hasNextPage endCursor } } }' \
        "{\"after\": $after}")
    echo "$page"
    case $page in *'"hasNextPage":true'*) after="\"$(echo "$page" | field endCursor)\"" ;; *) break ;; esac
done

send "$token" 'mutation { logout { revokedSessions } }' '{}'
echo
