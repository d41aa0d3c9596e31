-- The file vault: what it gives, and what it refuses.

local fs = require "core.fs"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local sys = require "core.sys"
local t = require "colibri.test"

local path = sys.conf.share_dir .. "/lua/colibri/vault/file.lua"

-- The adapter, as the overlay loads it: in the sandbox.
local function adapter()
  return script.call(t.ok(script.load(path, "@stock/vault/file.lua", sandbox.env())))
end

-- A vault directory with these files ({ name = text }); ends with the block.
local function vault(files, mode)
  local base = t.ok(fs.scratch("vault-file"))
  local root <close> = t.ok(fs.open_trusted(base))
  t.ok(root:mkdir("vault", mode or 0x1c0))
  for name, text in pairs(files or {}) do
    t.ok(root:write("vault/" .. name, text))
  end
  local self = { base = base, dir = base .. "/vault" }
  self.ctx = { conf = { vault_dir = self.dir }, fs = fs, sys = sys }
  function self.open()
    return adapter().open(self.ctx)
  end
  function self.fetch(name)
    local session <close> = t.ok(self.open())
    return session:fetch(name)
  end
  function self.write(name, text, file_mode)
    local dir <close> = t.ok(fs.open_trusted(self.dir))
    return t.ok(dir:write(name, text, { mode = file_mode or 0x180 }))
  end
  return setmetatable(self, { __close = function() fs.remove_tree(base) end })
end

local function revealed(list)
  local out = {}
  for _, pair in ipairs(list) do
    out[pair.key] = pair.value:reveal()
  end
  return out
end

t.test("gives the pairs of one file as secrets", function()
  local text = "A=1\nB='two words'\n# no\nexport C=\"x\\\"y\"\n"
  local v <close> = vault { ["proof0.env"] = text, ["proof.env"] = "D=4\n" }
  local list = t.ok(v.fetch("proof0"))
  t.eq(revealed(list), { A = "1", B = "two words", C = 'x"y' })
  t.eq(tostring(list[1].value), "[secret]")
  t.eq(list[1].item, "proof0:A")
end)

t.test("nothing is cached", function()
  local v <close> = vault { ["a.env"] = "K=1\n" }
  local session <close> = t.ok(v.open())
  t.eq(revealed(t.ok(session:fetch("a"))), { K = "1" })
  v.write("a.env", "K=2\n")
  t.eq(revealed(t.ok(session:fetch("a"))), { K = "2" })
end)

t.test("a collection that is not there, or has no such name", function()
  local v <close> = vault { ["a.env"] = "K=1\n" }
  t.err("CollectionNotFound", v.fetch("b"))
  t.err("CollectionNotFound", v.fetch("A"))
  for _, name in ipairs { "", "..", "../vault/a", "a/b", "a.env", "-a", "a\0", "a b", ("x"):rep(65) } do
    t.err("CollectionNotFound", v.fetch(name))
  end
end)

t.test("what is in the file must be right", function()
  local v <close> = vault {
    ["empty.env"] = "# nothing\n", ["key.env"] = "1A=x\n", ["line.env"] = "A=1\nrubbish hunter2\n",
    ["twice.env"] = "A=1\nA=2\n", ["open.env"] = "A='hunter2\n",
  }
  t.err("CollectionEmpty", v.fetch("empty"))
  t.err("InvalidKey", v.fetch("key"))
  t.err("ItemAmbiguous", v.fetch("twice"))
  for _, name in ipairs { "line", "open" } do
    local e = t.err("InvalidNote", v.fetch(name))
    t.ok(not e.message:find("hunter2", 1, true), "the value stands in the message")
  end
end)

t.test("others must not be able to read it", function()
  local v <close> = vault { ["a.env"] = "K=1\n" }
  v.write("a.env", "K=1\n", 0x1a0) -- 0640
  local e = t.err("VaultNotConfigured", v.fetch("a"))
  t.ok(e.message:find("0600", 1, true))
  local open_dir <close> = vault({}, 0x1ed) -- 0755
  e = t.err("VaultNotConfigured", open_dir.open())
  t.ok(e.message:find("0700", 1, true))
end)

t.test("no directory", function()
  local v <close> = vault {}
  v.ctx.conf.vault_dir = v.dir .. "/none"
  t.err("VaultNotConfigured", v.open())
  v.ctx.conf.vault_dir = nil
  t.err("VaultNotConfigured", v.open())
  v.ctx.conf.vault_dir = "relative"
  t.err("VaultNotConfigured", v.open())
end)
