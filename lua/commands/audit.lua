return {
  api = 1,
  summary = "who asked for which change, newest first",
  access = "read",
  params = {
    { "limit", "integer", min = 1, max = 10000, default = 50, help = "how many rows" },
    { "subject", "string", max = 128, metavar = "NAME", help = "only rows about this tenant or agent" },
    { "since", "time", metavar = "TIME", help = "only rows since: 10m (ago), 2026-11-26T01:02 (UTC), UNIX seconds" },
  },
  columns = { "at", "uid", "command", "subject", "result" },
  run = function(ctx, args)
    return ctx.db:all([[SELECT id, at, uid, gid, pid, request, command, subject, result, detail FROM audit
      WHERE (? IS NULL OR subject = ?) AND at >= ? ORDER BY id DESC LIMIT ?]], args.subject, args.subject,
      args.since or 0, args.limit)
  end,
}
