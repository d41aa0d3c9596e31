-- An ephemeral jail (FreeBSD) that is gone when its agent ends:
-- [mdo|sudo] jail -c [name=N host.hostname=N] path=ROOT ip4=inherit [exec.jail_user=U] command=BIN ARGS...
--
-- `command=BIN` is one word; everything behind it is the command's own. /dev is
-- not mounted, because nobody would unmount it afterwards: a root whose agent
-- needs one has it mounted already, or a site wraps this launcher.

local err = require "colibri.err"
local launch = require "colibri.launch"

-- ip4 is a word (inherit, new, disable) or an address.
local function ip4_word(ip4)
  ip4 = ip4 or "inherit"
  return (ip4:find("%d") and "ip4.addr=" or "ip4=") .. ip4
end

return {
  api = 1,
  summary = "an ephemeral FreeBSD jail around the agent (jail -c)",
  launch = function(ctx, jail, argv, env)
    local root, e = launch.root_of(jail, "jail")
    if not root then
      return nil, e
    end
    if ctx.sys.platform ~= "freebsd" then
      return nil, err.new("JailBackendUnsupported", "jail makes FreeBSD's jails; this is %s", ctx.sys.platform)
    end
    local words = { "jail", "-c" }
    -- A name of digits only would be a jail id.
    if jail.name and jail.name:find("%D") then
      launch.append(words, { "name=" .. jail.name, "host.hostname=" .. jail.name })
    end
    launch.append(words, { "path=" .. root, ip4_word(jail.ip4) })
    if jail.user then
      words[#words + 1] = "exec.jail_user=" .. jail.user
    end
    local out, inside = launch.as_root(ctx, words, launch.with_cwd(argv, jail.cwd), env)
    if not out then
      return nil, inside
    end
    out[#out + 1] = "command=" .. inside[1]
    return table.move(inside, 2, #inside, #out + 1, out)
  end,
}
