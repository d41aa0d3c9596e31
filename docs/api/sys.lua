-- sys.lua - facts, time, settings, the log: `ctx.sys`, `ctx.clock`, `ctx.conf`, `ctx.log`.
return {
  title = "Facts, time, log",
  about = "Times are UNIX seconds, durations seconds, sizes bytes.",
  names = {
    clock = { binding = "core.clock", ctx = true, about = "time" },
    sys = { binding = "core.sys", ctx = true, about = "facts about this process and its host" },
    log = { ctx = true, about = [[the daemon's log. `fields` is a flat table of strings, numbers and booleans, at most 16;
secrets are redacted]] },
    ["core.log"] = { binding = "core.log", internal = true, about = "the log below `ctx.log`" },
  },
  functions = {
    { "clock.now(): number", "UNIX seconds" },
    { "clock.monotonic(): number", "seconds that never go back" },
    { "clock.iso(at: number): string", "`2026-11-24T01:53:10Z`, UTC" },
    { "clock.fields(at: number): ClockFields", "the parts of a time, UTC" },

    { "sys.hostname(): string", "name of the host" },
    { "sys.lookup_user(name: string): User?", "a user of the host; nil when there is none" },
    { "sys.jail_lookup(name: string): Jail", "a running jail", errors = "JailNotFound JailUnsupported" },
    { "sys.program(name: string): string?", "path of a program of colibri, by its bare name" },
    { "sys.stats(): SysStats", "counters of this process" },
    { "sys.uuid(): string", "a random UUID (version 4)" },

    { "log.error(message: string, fields?: table)", "a line of level error" },
    { "log.warn(message: string, fields?: table)", "a line of level warn" },
    { "log.info(message: string, fields?: table)", "a line of level info" },
    { "log.debug(message: string, fields?: table)", "a line of level debug" },

    { "core.log.write(level: string, topic: string, message: string, fields?: table)", "one line" },
  },
  values = {
    { "sys.version: string", "of colibri" },
    { "sys.protocol: integer", "of the socket" },
    { "sys.api: integer", "API level of scripts" },
    { [[sys.platform: "linux"|"freebsd"]], "the system" },
    { "sys.uid: integer", "effective user of this process" },
    { "sys.gid: integer", "its group" },
    { "sys.pid: integer", "its process id" },
    { "sys.cwd: string", "directory it was started in" },
    { "sys.conf: table<string, string|number>", "the settings in force; scripts see them as `ctx.conf`" },
    { "core.log.debugging: boolean", "whether debug lines are written at all" },
  },
  types = {
    { "ClockFields", "a time in parts, UTC", fields = {
      { "year: integer", "2026" },
      { "month: integer", "1 to 12" },
      { "day: integer", "1 to 31" },
      { "hour: integer", "0 to 23" },
      { "min: integer", "0 to 59" },
      { "sec: integer", "0 to 60" },
      { "wday: integer", "1 is Monday" },
    } },
    { "User", "a user of the host", fields = {
      { "uid: integer", "its number" },
      { "gid: integer", "its group's" },
    } },
    { "Jail", "a running jail", fields = {
      { "jid: integer", "its number" },
      { "path: string", "its root" },
    } },
    { "SysStats", "counters", fields = {
      { "lua_bytes: integer", "memory of Lua" },
      { "tasks: integer", "that live" },
      { "ops: integer", "waits under way" },
      { "secrets: integer", "held" },
      { "fds: integer", "open descriptors" },
    } },
  },
}
