-- agent_limits.lua - what an agent may use: `--limit NAME=VALUE`, as words for
-- its shim, and how much of it is in use.
--
--	as core cpu data fsize memlock nofile nproc stack	rlimits: N or SOFT:HARD
--	nice umask						of its process
--	memory.max pids.max cpu.max				of all its processes: a
--		cgroup (v2) below conf.cgroup on Linux, rctl of its jail on FreeBSD

local err = require "colibri.err"
local fs = require "core.fs"
local json = require "core.json"
local launch = require "colibri.launch"
local sys = require "core.sys"

local M = {}

local BYTES = { as = true, core = true, data = true, fsize = true, memlock = true, stack = true }
local COUNTS = { cpu = true, nofile = true, nproc = true }
local GROUP = { ["memory.max"] = "memory", ["pids.max"] = "pids", ["cpu.max"] = "cpu" }
local UNITS = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40 }
local MAX = 1 << 53

local function bad(name, value, want)
  return nil, err.new("BadParameter", "limit %s is %s, not '%s'", name, want, value)
end

-- "512M" as a number; "unlimited" as it is.
local function amount(text, with_units)
  if text == "unlimited" then
    return text
  end
  local n, unit = text:match("^(%d+)([KMGT]?)$")
  n = n and #n <= 16 and math.tointeger(tonumber(n))
  if not n or unit ~= "" and not with_units or n > MAX // UNITS[unit] then
    return nil
  end
  return n * UNITS[unit]
end

local function rlimit(name, value)
  local soft, hard = value:match("^([^:]+):?(.*)$")
  soft = soft and amount(soft, BYTES[name])
  hard = hard and hard ~= "" and amount(hard, BYTES[name]) or hard == "" and soft
  if not soft or not hard then
    return bad(name, value, BYTES[name] and "a size such as 512M, or SOFT:HARD" or "a number, or SOFT:HARD")
  end
  return ("%s:%s:%s"):format(name, soft, hard)
end

local function group_value(name, value)
  if name == "cpu.max" then
    local percent = value:match("^(%d+)%%$")
    percent = percent and tonumber(percent)
    if not percent or percent < 1 or percent > 100000 then
      return bad(name, value, "percent of one CPU, such as 50%")
    end
    return percent
  end
  local n = amount(value, name == "memory.max")
  if not n or n == "unlimited" or n == 0 then
    return bad(name, value, name == "memory.max" and "a size such as 512M" or "a number")
  end
  return n
end

-- One NAME=VALUE into `out`: a word for the shim, or a value of the group.
local function parse_one(out, text)
  local name, value = text:match("^([a-z][a-z.]*)=(.+)$")
  local word, e
  if not name then
    return nil, err.new("BadParameter", "a limit is NAME=VALUE, not '%s'", text)
  elseif out.seen[name] then
    return nil, err.new("BadParameter", "limit %s is given twice", name)
  end
  out.seen[name] = true
  if BYTES[name] or COUNTS[name] then
    word, e = rlimit(name, value)
  elseif name == "nice" then
    local n = math.tointeger(tonumber(value))
    word = n and n >= -20 and n <= 20 and "nice:" .. n
    if not word then
      return bad(name, value, "from -20 to 20")
    end
  elseif name == "umask" then
    if not value:find("^[0-7][0-7]?[0-7]?[0-7]?$") or tonumber(value, 8) > 511 then
      return bad(name, value, "octal, such as 027")
    end
    word = "umask:" .. value
  elseif GROUP[name] then
    out.group[name], e = group_value(name, value)
    return out.group[name] and true, e
  else
    return nil, err.new("BadParameter", "there is no limit '%s'", name)
  end
  out.words[#out.words + 1] = word or nil
  return word and true, e
end

--- Check a list of NAME=VALUE.
-- @return { words = for the shim, group = { ["memory.max"] = bytes, ["pids.max"] = n, ["cpu.max"] = percent } } |
--   nil, err(BadParameter)
function M.parse(list)
  local out = { words = {}, group = {}, seen = {} }
  for _, text in ipairs(list or {}) do
    local ok, e = parse_one(out, text)
    if not ok then
      return nil, e
    end
  end
  return out
end

local function unavailable(fmt, ...)
  return nil, err.new("LimitUnavailable", fmt, ...)
end

--- The directory of an agent's cgroup | nil.
function M.cgroup(agent_id)
  return sys.conf.cgroup and sys.conf.cgroup .. "/" .. agent_id
end

local function has_word(text, word)
  return (" " .. (text or ""):gsub("\n", " ") .. " "):find(" " .. word .. " ", 1, true) ~= nil
end

-- Can `base` pass this controller on? The kernel lets no cgroup but the root do
-- so while processes are in it.
local function passes_on(base, controller)
  local busy = not has_word(fs.read_trusted(base .. "/cgroup.subtree_control", 0x12), controller) and
    fs.exists(base .. "/cgroup.type") and fs.read_trusted(base .. "/cgroup.procs", 0x12)
  if busy and busy ~= "" then
    return unavailable("processes are in %s itself, such as %s: no controller can be passed on", base, busy:match("%d+"))
  end
  return true
end

-- Words for a cgroup of its own.
local function cgroup_words(words, agent_id, group)
  local base = sys.conf.cgroup
  if not base then
    return unavailable("memory.max, pids.max and cpu.max need a cgroup (v2) that is delegated to the daemon: --cgroup DIR")
  end
  local text, e = fs.read_trusted(base .. "/cgroup.controllers", 0x12) -- not writable by others
  if not text then
    return unavailable("%s is no cgroup (v2): %s", base, e.message)
  end
  words[#words + 1] = "cgroup:" .. M.cgroup(agent_id)
  for name, controller in pairs(GROUP) do
    local value, ok = group[name], true
    if value and not has_word(text, controller) then
      return unavailable("%s: the controller '%s' is not delegated to %s", name, controller, base)
    elseif value then
      ok, e = passes_on(base, controller)
    end
    if not ok then
      return nil, e
    elseif value then
      words[#words + 1] = ("cgset:%s=%s"):format(name, name == "cpu.max" and ("%d 100000"):format(value * 1000) or value)
    end
  end
  return words
end

local RCTL = { ["memory.max"] = "memoryuse:deny=", ["pids.max"] = "maxproc:deny=", ["cpu.max"] = "pcpu:deny=" }

--- Rules of rctl(8) for a jail: { "jail:NAME:memoryuse:deny=N", ... }, sorted.
function M.rctl_rules(jail_name, group)
  local rules = {}
  for name, value in pairs(group) do
    rules[#rules + 1] = "jail:" .. jail_name .. ":" .. RCTL[name] .. value
  end
  table.sort(rules)
  return rules
end

-- FreeBSD: the rules of the jail, set before the agent is in it.
local function set_rctl(ctx, jail_name, group)
  if not jail_name then
    return unavailable("memory.max, pids.max and cpu.max are limits of a jail here: --jail-name")
  end
  for _, rule in ipairs(M.rctl_rules(jail_name, group)) do
    local argv, e = launch.privileged(ctx, { "rctl", "-a", rule })
    local result
    if argv then
      argv.timeout = 20
      result, e = ctx.proc.run(argv)
    end
    if not result or result.code ~= 0 then
      return unavailable("rctl -a %s: %s", rule, result and result.stderr or e.message)
    end
  end
  return true
end

--- Words for the shim of a spawn; on FreeBSD the rules of its jail are set. May wait.
-- @return list | nil, err(BadParameter, LimitUnavailable)
function M.apply(ctx, spawn)
  local parsed, e = M.parse(spawn.limits)
  if not parsed then
    return nil, e
  elseif next(parsed.group) == nil then
    return parsed.words
  elseif sys.platform == "freebsd" then
    local ok
    ok, e = set_rctl(ctx, spawn.jail_name, parsed.group)
    return ok and parsed.words, e
  end
  return cgroup_words(parsed.words, spawn.agent_id, parsed.group)
end

local USED = json.ordered { "memory", "pids", "cpu_usec", "rss", "threads" }

local function number_of(path)
  local text = fs.read_trusted(path, 0x12)
  return text and math.tointeger(tonumber(text:match("^%d+")))
end

-- Of its cgroup, where it has one.
local function cgroup_use(used, agent_id)
  local dir = M.cgroup(agent_id)
  if dir then
    used.memory, used.pids = number_of(dir .. "/memory.current"), number_of(dir .. "/pids.current")
    local stat = fs.read_trusted(dir .. "/cpu.stat", 0x12)
    used.cpu_usec = stat and math.tointeger(tonumber(stat:match("usage_usec (%d+)")))
  end
end

--- What a running agent uses now: of all its processes as far as they are
-- counted (memory, pids, cpu_usec), of its first one (rss, threads).
-- @return table | nil
function M.use(row)
  local used = setmetatable({}, USED)
  if sys.platform ~= "linux" then
    return nil
  end
  cgroup_use(used, row.agent_id)
  local status = row.pid and fs.read_trusted(("/proc/%d/status"):format(row.pid), 0x12)
  if status then
    local kib = status:match("\nVmRSS:%s*(%d+)")
    used.rss = kib and math.tointeger(tonumber(kib)) * 1024
    used.threads = math.tointeger(tonumber(status:match("\nThreads:%s*(%d+)")))
  end
  return next(used) ~= nil and used or nil
end

return M
