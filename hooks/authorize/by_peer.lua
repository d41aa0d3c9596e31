-- Who may do what: root and the daemon's user everything, others only read.
return {
  api = 1,
  summary = "root and the daemon's user may change things, others may read",
  remember = true, -- a peer stays who it is
  run = function(ctx, event)
    local uid = event.peer.uid
    if uid == 0 or uid == ctx.sys.uid or event.access == "read" then
      return
    end
    return false, { code = "Forbidden", message = "'" .. event.command .. "' needs root or the daemon's user" }
  end,
}
