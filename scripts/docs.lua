-- docs.lua - `make docs`: write what docs/api.lua says; see that file.
local docs = require "colibri.api_docs"

-- Make the directories of a file.
local function mkdirs(root, file)
  local path = ""
  for part in file:gmatch("([^/]+)/") do
    path = path == "" and part or path .. "/" .. part
    local ok, e = root:mkdir(path, 0x1ed) -- 0755
    if not ok and e.code ~= "Exists" then
      return nil, e
    end
  end
  return true
end

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
      local ok, why = mkdirs(root, name)
      if ok then
        ok, why = root:write(name, text, { mode = 0x1a4 }) -- 0644
      end
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
