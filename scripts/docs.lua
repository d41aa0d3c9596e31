-- docs.lua - `make docs`: write what docs/api.lua says; see that file.
local docs = require "colibri.api_docs"

return {
  api = 1,
  summary = "write docs/API.md, the tables of other pages and lua/meta/ from docs/api.lua",
  run = function(ctx)
    local root <close>, e = ctx.fs.open_trusted(ctx.conf.share_dir)
    if not root then
      return nil, e
    end
    local files, lost = docs.files(function(name) return root:read(name) end)
    if not files then
      ctx.err("docs: " .. lost.message .. "\n")
      return 1
    end
    for _, text in ipairs(lost) do
      ctx.err("docs: " .. text .. "\n")
    end
    for name, text in pairs(files) do
      local ok, why = docs.write(root, name, text)
      if not ok then
        ctx.err("docs: " .. name .. ": " .. why.message .. "\n")
        return 1
      end
      if ok == "changed" then
        ctx.out(name .. "\n")
      end
    end
    return 0
  end,
}
