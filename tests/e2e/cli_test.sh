#!/bin/sh
# The socket CLI as people and scripts meet it: every verb, both forms of output,
# exit codes, what goes to stdout and what to stderr, completion, hostile values.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"

scratch_make cli
COLIBRI_DAEMON_SOCKET=$scratch/run/sock
export COLIBRI_DAEMON_SOCKET
ROOT=$scratch/jails/t1/root
AGENT=$BUILD/colibri-test-agent
ESC=$(printf '\033')
GLOBAL_USAGE='usage: colibri [--socket PATH] [--timeout SECONDS] [--json] [--trace] VERB ...'

# colibri_is NAME STATUS STDOUT STDERR ARG...: the whole of what a run gives.
colibri_is() {
	name=$1 want_status=$2 want_out=$3 want_err=$4
	shift 4
	run colibri "$@"
	is "$name" "$status|$out|$err" "$want_status|$want_out|$want_err"
}

# on_terminal COMMAND...: stdout of a run that has a terminal.
on_terminal() {
	script -qec "$*" /dev/null </dev/null | tr -d '\r'
}

have_terminal() {
	[ "$(script -qec 'test -t 1 && echo yes' /dev/null </dev/null 2>/dev/null |
		tr -d '\r')" = yes ]
}

# --- without a daemon ---

run colibri help
is "help without a daemon" "$status|$err" "0|"
like "it lists the verbs" "$out" '^  register-tenant +register a tenant'
like "it says that nobody answers" "$out" "no daemon answers at $scratch/run/sock"
run colibri help spawn-agent
is "help VERB without a daemon" "$status|$(printf '%s\n' "$out" | head -n 1 | cut -c 1-42)" \
    "0|usage: colibri spawn-agent PROVIDER MODEL "
run colibri help api root:write
is "help api NAME without a daemon" "$status|$(printf '%s\n' "$out" | head -n 1)" \
    "0|Root:write(name: string, data: string|Secret, options?: WriteOptions): Change"
run colibri help api fs.opne
is "help api of an unknown name: 2, with a hint" "$status|$out|$err" \
    "2||colibri: help api: Usage: the script API has no 'fs.opne'; did you mean 'fs.open'?"
run colibri status --help
is "VERB --help without a daemon" "$status|$(printf '%s\n' "$out" | head -n 1)" \
    "0|usage: colibri status [--full]"
run colibri version
like "version without a daemon" "$status|$out|$err" '^0\|colibri [0-9.]+ \(protocol 1, api 1\)\|$'
colibri_is "a verb without a daemon: 3" 3 "" \
    "colibri: status: DaemonUnreachable: connect to $scratch/run/sock (is colibri-daemon running?): No such file or directory" \
    status
colibri_is "no verb: 2" 2 "" "colibri: Usage: a verb is missing; 'colibri help' lists them
$GLOBAL_USAGE"
colibri_is "a bad option before the verb: 2" 2 "" \
    "colibri: Usage: option --timeout must be a number of seconds, not 'soon'
$GLOBAL_USAGE" --timeout soon status

# --- a daemon with a site: a slow command, a vault that says hostile things ---

daemon_tree "$scratch"
mkdir -p "$ROOT" "$scratch/site/commands" "$scratch/site/vault"
cat >"$scratch/site/commands/nap.lua" <<'END'
return {
  api = 1,
  summary = "sleep",
  access = "read",
  params = { { "seconds", "number", positional = true, required = true, help = "how long" } },
  run = function(ctx, args)
    ctx.task.sleep(args.seconds)
    return { slept = args.seconds }
  end,
}
END
cat >"$scratch/site/vault/file.lua" <<'END'
local shipped = stock()

return {
  api = 1,
  summary = shipped.summary,
  open = function(ctx)
    local inner, e = shipped.open(ctx)
    if not inner then
      return nil, e
    end
    return {
      fetch = function(_, name)
        if name == "hostile" then
          return nil, { code = "VaultFailed", message = "one\ntwo\27[31m\27]0;title\7 \u{202e}\u{9b}3" }
        end
        return inner:fetch(name)
      end,
      close = function() inner:close() end,
    }
  end,
}
END
chmod -R go-w "$scratch/site"
(umask 077 && echo 'KEY=value' >"$scratch/vault/t1.env")
daemon_start "$scratch" --jail-backend none

# --- every verb once ---

colibri_is "an empty list is nothing" 0 "" "" list-tenants
run colibri register-tenant t1 "$ROOT" t1
like "register-tenant" "$status|$out" '^0\|\{"tenant_id":"t1",.*"change":"created"'
run colibri get-tenant t1
like "get-tenant" "$status|$out" '^0\|\{"tenant_id":"t1",.*"status":"provisioned"'
run colibri list-tenants
like "list-tenants" "$status|$out" '^0\|\{"tenant_id":"t1",.*\}$'
run colibri provision-tenant t1 --dry-run
like "provision-tenant" "$status|$out" '^0\|\{.*"result":"dry-run"'
run colibri spawn-agent local "$AGENT" --jail-name t1 --jail-root "$ROOT" --arg --step-ms --arg 1
like "spawn-agent" "$status|$out" '^0\|\{"agent_id":.*"result":"provisioned"'
agent=$(printf '%s\n' "$out" | field agent_id)
run colibri spawn-local "$AGENT" --session-id s2
like "spawn-local" "$status|$out" '^0\|\{"agent_id":.*"session_id":"s2".*"result":"skipped"'
second=$(printf '%s\n' "$out" | field agent_id)
run colibri list-agents
is "list-agents: a line each" "$status|$(printf '%s\n' "$out" | grep -c '^{"agent_id":.*}$')" "0|2"
run colibri get-agent "$agent"
like "get-agent" "$status|$out" '^0\|\{"agent_id":.*"jail_name":"t1"'
run colibri stop-agent "$agent" --grace 1
like "stop-agent" "$status|$out" '^0\|.*"status":"exited"'
run colibri stop "$second"
like "stop, its alias" "$status|$out" '^0\|.*"status":"exited"'
run colibri audit --limit 2
is "audit: newest first, no more than asked for" \
    "$status|$(printf '%s\n' "$out" | field subject | xargs)" "0|$second $agent"
run colibri describe
like "describe" "$status|$out" '^0\|\{.*"commands":\['
run colibri scripts
like "scripts: what the site adds" "$out" '^\{"name":"commands/nap","layer":"site",.*site/commands/nap.lua"'
like "scripts: what the site shadows" "$out" '"name":"vault/file","layer":"site",.*"shadows":'
run colibri reload
like "reload" "$status|$out" '^0\|\{"generation":2,"scripts":[0-9]+\}'
run colibri status
like "status" "$status|$out" '^0\|\{"version":.*"generation":2,"agents":0'
run colibri nap 0
is "nap, a verb of the site" "$status|$out" '0|{"slept":0}'
run colibri delete-tenant t1
like "delete-tenant" "$status|$out" '^0\|\{"tenant_id":"t1","deleted":true'

listed=$(colibri help | sed -n '/^verbs:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' | sort | xargs)
is "the shipped files and the site's" "$listed" "$(cd "$top/lua/commands" &&
	{ echo nap; for file in *.lua; do echo "${file%.lua}"; done; } | sort | xargs)"
unhelpful=''
for verb in $listed; do
	colibri "$verb" --help 2>&1 | head -n 1 | grep -q "^usage: colibri $verb" &&
		[ "$(colibri help "$verb")" = "$(colibri "$verb" -h)" ] ||
		unhelpful="$unhelpful $verb"
done
is "each has help, by both ways" "$unhelpful" ""

# --- refusals ---

colibri_is "the daemon refuses: 1, one line, nothing on stdout" 1 "" \
    "colibri: get-tenant: TenantNotFound: no tenant 'nobody' is registered" get-tenant nobody
colibri_is "a name that is none: the daemon's word" 1 "" \
    "$(colibri get-tenant ../x 2>&1 >/dev/null)" get-tenant ../x
like "it is BadParameter" "$err" '^colibri: get-tenant: BadParameter: '
printf 'return { api = 1, summary = "broken", access = "read", run = 1 }\n' >"$scratch/site/commands/broken.lua"
printf 'return {\n' >"$scratch/site/commands/unfinished.lua"
run colibri reload
is "a reload that fails: 1" "$status|$out" "1|"
like "it says so first" "$(printf '%s\n' "$err" | head -n 1)" '^colibri: reload: ReloadFailed: 2 script'
like "then each mistake: one" "$err" '^colibri: reload: .*site/commands/broken.lua'
like "the other" "$err" '^colibri: reload: .*site/commands/unfinished.lua:[0-9]+'
rm "$scratch/site/commands/broken.lua" "$scratch/site/commands/unfinished.lua"
is "the old scripts go on" "$(colibri nap 0)" '{"slept":0}'

# --- usage ---

REGISTER='usage: colibri register-tenant TENANT_ID JAIL_ROOT_PATH COLLECTION_ID [--env-owner OWNER] [--update] [--dry-run]'
colibri_is "an argument is missing: 2" 2 "" "colibri: register-tenant: Usage: JAIL_ROOT_PATH is missing
$REGISTER" register-tenant t1
colibri_is "an argument too many: 2" 2 "" "colibri: register-tenant: Usage: unexpected argument: 'more'
$REGISTER" register-tenant a /b c more
colibri_is "an unknown option, with a suggestion: 2" 2 "" \
    "colibri: register-tenant: Usage: unknown option: --updat; did you mean '--update'?
$REGISTER" register-tenant a /b c --updat
colibri_is "an option without its value: 2" 2 "" \
    "colibri: register-tenant: Usage: option --env-owner needs a value
$REGISTER" register-tenant a /b c --env-owner
colibri_is "an option twice: 2" 2 "" "colibri: register-tenant: Usage: option given twice: --update
$REGISTER" register-tenant a /b c --update --update
run colibri spawn-local /bin/true --jail-root /x
is "an option that needs another: 2" \
    "$status|$out|$(printf '%s\n' "$err" | head -n 1)" \
    "2||colibri: spawn-local: Usage: --jail-root needs --jail-name too"
run colibri spawn-local /bin/true --provision sometimes
like "a word that is none of the values: 2" "$status|$err" '^2\|colibri: spawn-local: Usage: --provision .*sometimes'
run colibri audit --limit many
like "a word that is no number: 2" "$status|$err" '^2\|colibri: audit: Usage: --limit .*many'
run colibri status --socket /x
like "--socket after the verb: 2" "$status|$err" '^2\|colibri: status: Usage: option --socket goes before the verb'
colibri_is "an unknown verb: 2, with a suggestion" 2 "" \
    "colibri: list-tenant: UnknownCommand: no command 'list-tenant'; did you mean 'list-tenants' or 'get-tenant'?
'colibri help' lists the commands" list-tenant
run colibri help frobnicate
is "help of an unknown verb: 2" "$status|$out" "2|"

# --- time, sockets, closed output ---

run colibri --timeout 0.2 nap 60
like "too long for --timeout: 4" "$status|$out|$err" '^4\|\|colibri: nap: Timeout: '
run colibri nap 60 --timeout=0.2
is "--timeout after the verb" "$status|$out" "4|"
run env COLIBRI_DAEMON_SOCKET=/nonexistent/sock colibri --socket "$scratch/run/sock" nap 0
is "--socket wins over the variable" "$status|$out" '0|{"slept":0}'
run colibri --socket /nonexistent/sock nap 0
is "also when that is wrong" "$status|$out" '3|'
# shellcheck disable=SC2016 # for that sh
run sh -c 'cd "$1/run" && colibri --socket sock nap 0' sh "$scratch"
is "a relative --socket" "$status|$out" '0|{"slept":0}'
: >"$scratch/plain"
run colibri --socket "$scratch/plain" status
like "a file that is no socket: 3" "$status|$out|$err" '^3\|\|colibri: status: DaemonUnreachable: '
# shellcheck disable=SC2016
run sh -c 'colibri describe 2>"$1/err.pipe" | head -n 0' sh "$scratch"
is "a reader that leaves: nothing is said" "$(cat "$scratch/err.pipe")" ""
status=0
colibri status >&- 2>"$scratch/err" || status=$?
is "a closed stdout: 1, nothing is said" "$status|$(cat "$scratch/err")" "1|"
if [ -w /dev/full ]; then
	status=0
	colibri status >/dev/full 2>"$scratch/err" || status=$?
	is "a full disk: 1, nothing to trace" "$status|$(grep -c traceback "$scratch/err")" "1|0"
fi

# --- a terminal ---

colibri register-tenant hostile "$ROOT" hostile >/dev/null
run colibri provision-tenant hostile
is "a hostile message on stderr is one line" "$status|$out|$err" \
    '1||colibri: provision-tenant: VaultFailed: one\ntwo\x1b[31m\x1b]0;title\x07 \u{202e}\u{9b}3'
run colibri get-tenant hostile
like "JSON has it escaped, too" "$out" '"last_error":"VaultFailed: one\\ntwo\\u001b\[31m'
is "the log too" "$(grep -c "$ESC" "$scratch/log")" 0
run colibri "$(printf 'x\033[31m\ny')"
is "and a verb" "$status|$(grep -c "$ESC" "$scratch/err")" "2|0"
is "on one line" "$(printf '%s\n' "$err" | wc -l | xargs)" 2
if have_terminal; then
	out=$(on_terminal colibri get-tenant hostile)
	like "a terminal gets key: value lines" "$out" '^tenant_id: +hostile$'
	like "times as people read them" "$out" '^created_at: +20[0-9-]+T[0-9:]+Z$'
	like "a hostile value is shown, not obeyed" "$out" \
	    '^last_error: +VaultFailed: one\\ntwo\\x1b\[31m\\x1b\]0;title\\x07 \\u\{202e\}\\u\{9b\}3$'
	is "no escape byte reached it" "$(printf '%s\n' "$out" | grep -c "$ESC")" 0
	out=$(on_terminal colibri list-tenants)
	like "a list is a table" "$(printf '%s\n' "$out" | head -n 1)" \
	    '^TENANT_ID +STATUS +POLICY +LAST_RESULT +JAIL_ROOT_PATH$'
	like "with aligned rows" "$out" '^hostile +provisioned +on-spawn +failed +[/…].*/t1/root$'
	is "an empty one is none" "$(on_terminal colibri list-agents)" none
	is "--json on a terminal" "$(on_terminal colibri --json nap 0)" '{"slept":0}'
	is "--json after the verb" "$(on_terminal colibri nap 0 --json)" '{"slept":0}'
	is "status is the whole status" \
	    "$(on_terminal colibri status | sed 's/:.*//' | xargs)" \
	    "version protocol api platform pid uptime generation agents connections requests"
else
	skip "the form for people" "no script(1) that gives a terminal"
fi

# --- completion ---

# complete WORD...: what bash offers for the last word.
completes() {
	bash -c '
		. "$1"; shift
		COMP_WORDS=(colibri "$@"); COMP_CWORD=$#
		_colibri
		printf "%s\n" "${COMPREPLY[@]}"
	' bash "$scratch/colibri.bash" "$@" | sort | xargs
}

for shell in bash zsh fish; do
	run colibri completion $shell
	is "completion $shell" "$status|$err" "0|"
	cp "$scratch/out" "$scratch/colibri.$shell"
	if command -v $shell >/dev/null 2>&1; then
		is "$shell takes it" "$($shell -n "$scratch/colibri.$shell" 2>&1)" ""
	else
		skip "$shell takes it" "$shell is not installed"
	fi
done
if command -v bash >/dev/null 2>&1; then
	is "bash completes a verb" "$(completes sta)" status
	is "a verb of the site" "$(completes na)" nap
	is "a flag" "$(completes register-tenant t1 /x t1 --up)" --update
	is "a value" "$(completes spawn-agent --provision b)" before
	is "the verb to help with" "$(completes help stop)" stop-agent
	is "or the script API" "$(completes help ap)" api
fi
colibri_is "completion for no shell: 2" 2 "" "colibri: completion: Usage: the shell is one of bash, zsh, fish
usage: colibri completion bash|zsh|fish" completion tcsh

ok "TERM ends the daemon with 0" daemon_stop "$scratch"
run colibri completion bash
is "completion without a daemon" "$status|$(grep -cw nap "$scratch/out")" "0|0"
done_testing
