-- .luacheckrc - which names our Lua files may use.
--
-- Library modules have what core/vm.c opens; scripts have what
-- lua/colibri/sandbox.lua allows. A name that is absent there is a mistake here.
std = "lua54"
not_globals = { "io", "os", "debug", "package", "dofile", "loadfile" }
max_line_length = 130

local script = {
  not_globals = { "print", "load", "collectgarbage", "rawset", "warn", "_G" },
  read_globals = { "stock" }, -- the file that a site's file shadows
}
for _, path in ipairs { "hooks", "scripts", "docs", "lua/commands", "lua/providers", "lua/policy", "lua/colibri/jail",
  "lua/colibri/vault" } do
  files[path] = script
end

-- The description of the API: one line says all of a function.
files["docs/api"] = { max_line_length = 160 }
exclude_files = { "lua/meta" } -- made by `make docs`

-- Values held only for their `<close>`, and loops that only allocate.
files["tests"] = { ignore = { "211/g.*", "241" }, max_line_length = 150 }
