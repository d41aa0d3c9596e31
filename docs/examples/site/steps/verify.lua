-- The shipped verification, then ours: each of our agents needs these keys.
local shipped = stock()
local proofs = require "colibri.proof"

local REQUIRED = { "API_TOKEN", "API_URL" }

return {
  api = 1,
  summary = shipped.summary .. ", and the keys that every agent of ours needs",
  run = function(ctx, proof)
    local ok, e = shipped.run(ctx, proof)
    if not ok then
      return nil, e
    end
    local root <close>, why = ctx.fs.open(proof.base, proof.jail_root)
    if not root then
      return nil, why
    end
    local list
    list, why = root:read_env(".env")
    if not list then
      return nil, why
    end
    local there = {}
    for _, pair in ipairs(list) do
      there[pair.key] = true
    end
    for _, key in ipairs(REQUIRED) do
      if not there[key] then
        return nil, { code = "WrongKeys", message = ".env has no " .. key }
      end
    end
    proofs.note(ctx, "%d keys, the required ones among them", #list)
    return true
  end,
}
