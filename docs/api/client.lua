-- client.lua - connections to a daemon: `ctx.client` in proofs.
return {
  title = "Client",
  about = "For proofs and tests: a proof has no store, no vault and no tenants, it asks the daemon.",
  names = {
    client = { binding = "core.client", ctx = true, about = "connections to a daemon; in proofs" },
    Connection = { class = "colibri.client", about = "an open connection; `<close>` closes it" },
    Stream = { class = "colibri.stream", unchecked = true, about = "lines before the reply, from `ctx.stream()`" },
  },
  functions = {
    { "client.connect(path: string): Connection", "connects to a socket", errors = "DaemonUnreachable BadPath" },
    { "Connection:request(request: table, timeout?: number): table",
      "sends one request, gives the whole reply; after `timeout` seconds the connection is of no use any more", waits = true,
      errors = "Timeout Disconnected BadJson" },
    { "Connection:stream(request: table): true", "sends a request that many lines answer; `next` gives them", errors = "Disconnected" },
    { "Connection:next(timeout?: number): table",
      "the next line of a stream: an event, or the whole reply, which is the last", waits = true,
      errors = "Timeout Disconnected BadJson" },
    { "Connection:send_raw(bytes: string)", "bytes as they are, for tests of the protocol" },
    { "Connection:close()", "closes it; again is allowed" },

    { "Stream:send(event: table): boolean", "one line; false when the peer has too much unread, and nothing was sent",
      errors = "Disconnected" },
    { "Stream:room(): true", "waits until the peer has read enough", waits = true, errors = "Disconnected" },
  },
}
