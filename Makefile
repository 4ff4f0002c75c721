# `make run` serves on a database of its own; `make test` proves everything. Both install what the machine lacks.

.PHONY: run test plans cluster-up cluster-down fault-test upgrade-test check dependencies fuzz bench schema queries

run:
	@scripts/install-postgresql
	@scripts/build-front-ends
	@cargo run --release --quiet

# The front ends come first: whatever compiles the server builds them into it.
test:
	@scripts/install-node
	@scripts/build-front-ends --required
	@$(MAKE) --no-print-directory check
	@scripts/install-postgresql
	@scripts/install-prometheus >/dev/null
	@scripts/install-other-postgresql 14 >/dev/null
	@scripts/install-other-postgresql 18 >/dev/null
	@scripts/install-pgbouncer
	@scripts/install-chromium
	@scripts/install-oldest-chromium >/dev/null
	@scripts/install-python
	cargo test --locked
	@scripts/wait-for-tests-to-end
	scripts/prepare-queries --check

# How PostgreSQL goes about every list and filter among a million users, which takes minutes to make.
plans:
	@scripts/install-postgresql
	cargo test --locked --test plans

# Three servers, PgBouncer, HAProxy, and two PostgreSQL servers under Patroni with etcd, on this machine. As root.
cluster-up:
	@scripts/install-postgresql
	@scripts/install-cluster
	@cargo build --release --quiet
	@deploy/cluster/up

cluster-down:
	@deploy/cluster/down

# The same cluster under load, while one thing after another goes wrong.
fault-test:
	@scripts/install-postgresql
	@scripts/install-cluster
	cargo test --locked --test fault

# This release and the one before, side by side on this one's schema.
upgrade-test:
	@scripts/install-postgresql
	VOICEHIVE_PREVIOUS="$$(scripts/build-previous)" cargo test --locked --test upgrade

# What needs no database.
check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings

# Licences, sources and published advisories of the crates. Takes the network.
dependencies:
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny
	cargo deny check

# What is claimed of speed, as ratios measured side by side.
bench:
	@scripts/install-postgresql
	cargo bench --locked

# A minute of hostile input for each of what reads it.
fuzz:
	scripts/fuzz

# After a change of the schema: look at the difference before committing it.
schema:
	cargo run --quiet -- schema > schema.graphql

# After a change of a query or a migration.
queries:
	scripts/prepare-queries
