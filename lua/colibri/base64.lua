-- base64.lua - bytes that are no text, as they come in JSON.

local M = {}

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local value = {}
for i = 1, #DIGITS do
  value[DIGITS:byte(i)] = i - 1
end

--- The bytes of a base64 text (RFC 4648, padded) | nil when it is none.
function M.decode(text)
  if #text % 4 ~= 0 or text:find("[^%w+/=]") then
    return nil
  end
  local out = {}
  for i = 1, #text, 4 do
    local a, b, c, d = text:byte(i, i + 3)
    local v = (value[a] or 0) << 18 | (value[b] or 0) << 12 | (value[c] or 0) << 6 | (value[d] or 0)
    out[#out + 1] = string.char(v >> 16, v >> 8 & 255, v & 255)
  end
  local bytes = table.concat(out)
  return bytes:sub(1, #bytes - #text:match("=*$"))
end

return M
