# What people type. Everything longer than a line is in scripts/, `cargo xtask` or oracle/.

PREFIX ?= /usr/local
export PREFIX DESTDIR FORCE

# what `make demo` adds to the lab and `make bench` to the benchmark, as in `make demo ARGS="--hook xdp"`
ARGS ?=
# how `make conformance` replays, as in `make conformance REPLAY="--by native -k persist"`
REPLAY ?=
# other recordings for `make conformance`: files and folders of the formats of the project's own
FIXTURES ?=
# seconds that `make fuzz` gives to each target
FUZZ_SECONDS ?= 60

# takeovers of each kind and pair of daemons in `make lab-ha`
HA_ROUNDS ?= 8

# how many connections come and go, how long the daemon stays dead in `make soak`, and how often it is killed
SOAK_CONNECTIONS ?= 500000
SOAK_SECONDS ?= 600
SOAK_ROUNDS ?= 100

EBPF_CLIPPY_TARGET := x86_64-unknown-linux-gnu
# the paths below are those of an ordinary build
unexport CARGO_TARGET_DIR CARGO_BUILD_TARGET RUSTFLAGS

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo build test lab-all lab-ha soak install uninstall fmt fmt-check clippy docs floors budget fuzz fuzz-check oracle scale clean conformance bench bench-quick bench-build checks-scale beside-keepalived oracle-ipvs

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian 12), start nothing
	@scripts/setup

demo: setup build ## the main job in a lab: NAT, DR, TUN and FULLNAT with real nginx and curl
	target/release/xvs lab all $(ARGS)

build: ## the release binary, target/release/xvs; as root also what the verifier makes of it
	cargo build --release --locked -p xvs -p xtask
	@if [ "$$(id -u)" = 0 ]; then target/release/xtask budget --print || echo "budget: not measured here"; fi

test: setup ## every test; those that need root want to be run as root
	cargo test --workspace --locked --no-fail-fast

lab-all: setup ## the labs' tests with every method on every hook, IPv4 and IPv6 (root)
	cargo build --locked -p xvs
	XVS_LAB_ALL=1 cargo test --locked -p xvs-lab --test lab

lab-ha: setup ## what each failure of a director costs, beside keepalived, in one run (root)
	cargo build --release --locked -p xvs
	for peer in "" "--peer keepalived"; do \
		target/release/xvs lab ha $$peer && \
		target/release/xvs lab ha --v3 --interval 0.1 $$peer || exit 1; \
	done
	for pace in "--v3 --interval 0.1" "--v3 --interval 0.01" "--interval 1"; do \
		target/release/xvs lab ha --rounds $(HA_ROUNDS) $$pace || exit 1; \
	done
	cargo build --release --locked -p xvs-director --example routers
	cargo test --release --locked -p xvs-director --test vrrp load -- --nocapture --test-threads=1
	cargo test --release --locked -p xvs --test root_vrrp busy -- --nocapture

conformance: setup ## what the kernel's IPVS and keepalived were recorded to do, replayed on xvs (root)
	cargo test --locked -p xvs-datapath scheduler
	cargo build --locked -p xvs -p xvs-conformance
	target/debug/xvs-conformance $(REPLAY) $(FIXTURES)
	XVS_RECORDED=all cargo test --locked -p xvs --test root_checks recorded -- --nocapture

soak: setup ## what outlives the daemon, for long: 500,000 connections, 10 minutes without one, 100 kills (root)
	XVS_LEAK_CONNECTIONS=$(SOAK_CONNECTIONS) \
		cargo test -p xvs-dataplane --features testing --locked --test leak -- --nocapture
	XVS_SURVIVAL_SECONDS=$(SOAK_SECONDS) XVS_SURVIVAL_ROUNDS=$(SOAK_ROUNDS) \
		cargo test -p xvs --locked --test survival -- --nocapture

# 30 minutes and 3 minutes at most, once it is built
bench: setup bench-build ## what a packet, a connection and a rule cost, beside floors and peers (root)
	target/release/xvs-bench $(ARGS)

bench-quick: setup bench-build ## the same in short
	target/release/xvs-bench --quick $(ARGS)

bench-build:
	cargo build --release --locked -p xvs -p xvs-bench

checks-scale: setup ## health checks at full size: 3,000 virtual servers with 40,000 real servers (root)
	XVS_CHECKS_SCALE=3000 cargo test --release --locked -p xvs --test root_checks scale -- --nocapture

beside-keepalived: setup ## the same checks by xvs and Debian's keepalived in one run: removal, CPU, 10,000 on time (root)
	XVS_BESIDE=all cargo test --release --locked -p xvs --test root_checks beside -- --nocapture --test-threads=1

install: ## binary and its other names under PREFIX (/usr/local), DESTDIR respected
	@scripts/install install

uninstall: ## remove what install put there
	@scripts/install uninstall

fmt: ## format all workspaces
	cargo fmt
	cd ebpf && cargo fmt
	cd fuzz && cargo fmt

fmt-check:
	cargo fmt --check
	cd ebpf && cargo fmt --check
	cd fuzz && cargo fmt --check

clippy: ## lints of both builds, warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd ebpf && RUSTC=$$(rustup which rustc) cargo clippy --locked --target $(EBPF_CLIPPY_TARGET) -- -D warnings

docs: ## the documentation, warnings are errors
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked

floors: ## check that every crate imports only from lower floors
	cargo xtask floors

budget: ## print what the verifier makes of each program, and compare (root)
	cargo xtask budget

fuzz: ## run each fuzz target for FUZZ_SECONDS
	scripts/fuzz $(FUZZ_SECONDS)

fuzz-check: ## build each fuzz target and give it a sample
	scripts/fuzz-sample

# a sample of every topic and scheduler, 20 minutes a hook; ALL=1 takes every recording, which is a matter of hours
oracle: ## boot Linux 6.1 and 6.12 in virtual machines: programs, the lab, and xvs beside the kernel's IPVS
	scripts/setup vm
	oracle/budget
	oracle/load-check.sh target/release/xvs lab all
	cargo build --locked -p xvs -p xvs-conformance
	oracle/ipvs target/debug

oracle-ipvs: ## only the last of it: the same steps on the kernel's IPVS and on xvs, compared
	scripts/setup vm
	cargo build --locked -p xvs -p xvs-conformance
	oracle/ipvs target/debug

scale: ## 10,000 virtual servers with 10 real servers each: instructions beside those of ipvsadm and IPVS
	scripts/setup vm
	oracle/scale.sh target/release/xvs

clean: ## remove what was built, except the tools that setup put into target/tools
	rm -rf ebpf/target fuzz/target
	if [ -d target ]; then find target -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} +; fi
