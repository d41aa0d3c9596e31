-- JSON: lua-cjson behind our rules, and our encoder.
local t = require "colibri.test"
local json = require "core.json"

local function round(text)
  local v, e = json.decode(text)
  t.ok(v ~= nil, tostring(e))
  return json.encode(v)
end

t.test("values survive a round trip", function()
  for _, text in ipairs {
    '{"a":1}', "[]", "{}", '{"a":[]}', '{"a":{}}', "[[],[{}]]", '{"a":null}', "[1,2.5,-3,1e+300]", '"\\"\\\\\\n"',
    '{"a":{"b":[1,{"c":[]}]}}', "9007199254740991", "-9007199254740991", '"h\xc3\xa9"', "true", '[["",""]]',
  } do
    t.eq(round(text), text)
  end
end)

t.test("integers are integers", function()
  t.eq(math.type(json.decode('{"a":1}').a), "integer")
  t.eq(math.type(json.decode('{"a":1.5}').a), "float")
  t.eq(json.encode(2 ^ 53 // 1 | 0), "9007199254740992")
  t.eq(json.encode(math.mininteger), "-9223372036854775808")
  t.eq(json.encode(0.1), "0.1")
end)

t.test("what cannot be kept is refused", function()
  for _, text in ipairs { "12345678901234567890", "-12345678901234567890", "9007199254740992" } do
    t.err("BadJson", json.decode(text))
  end
end)

t.test("hostile texts get BadJson", function()
  for _, text in ipairs {
    "", " ", "{", "}", "[1,]", '{"a"}', '{"a":}', "nul", "NaN", "Infinity", "'x'", '"\xff"', '"\xc0\xaf"',
    '"\xed\xa0\x80"', '"a\nb"', "\0", '{"a":1}x', ("["):rep(65) .. ("]"):rep(65), '"\\x"', '"\\ud800"', "01x", "- 1",
    '"' , "0x10", "[1 2]",
  } do
    t.err("BadJson", json.decode(text))
  end
end)

t.test("objects are ordered: declared keys first, the rest sorted", function()
  local v = setmetatable({ z = 1, b = 2, a = 3, m = 4 }, json.ordered { "m", "z", "absent" })
  t.eq(json.encode(v), '{"m":4,"z":1,"a":3,"b":2}')
  local many = {}
  for i = 1, 100 do
    many[("k%03d"):format(i)] = i
  end
  local text = json.encode(many)
  t.ok(text:find('^{"k001":1,"k002":2,'))
  t.eq(json.decode(text).k100, 100)
end)

t.test("keys are bytes: a NUL in one does not end it", function()
  t.eq(round('{"a\\u0000c":1,"a":2,"a\\u0000b":3}'), '{"a":2,"a\\u0000b":3,"a\\u0000c":1}')
  local long = ("k"):rep(50)
  local v = setmetatable({ ["a\0b"] = 1, [long] = 2, a = 3 }, json.ordered { long, "a\0b" })
  t.eq(json.encode(v), '{"' .. long .. '":2,"a\\u0000b":1,"a":3}')
end)

t.test("an order names a key once; other things in it count for nothing", function()
  t.eq(json.encode(setmetatable({ a = 1, b = 2 }, json.ordered { "b", 7, "b", true, "a" })), '{"b":2,"a":1}')
  t.eq(json.encode(setmetatable({ b = 1 }, json.ordered {})), '{"b":1}')
  t.eq(json.encode(setmetatable({}, json.ordered { "a" })), "{}")
end)

t.test("lists stay lists, whatever is in them", function()
  for _, text in ipairs { '{"a":["x"]}', '{"a":["\\u00e9"]}', '{"a":[1.5]}', '{"a":[]}' } do
    local list = json.decode(text).a
    list[1] = nil
    t.eq(json.encode(list), "[]", text)
  end
end)

t.test("what is no JSON is refused", function()
  local loop = {}
  loop.loop = loop
  for _, v in ipairs { loop, { [{}] = 1 }, { f = print }, { n = 0 / 0 }, { n = math.huge } } do
    t.err("BadValue", json.encode(v))
  end
end)

t.test("strings are made valid", function()
  t.eq(json.encode("a\xffb"), '"a\xef\xbf\xbdb"')
  t.eq(json.encode("\0\1\31\127"), '"\\u0000\\u0001\\u001f\\u007f"')
end)

t.test("lists", function()
  t.eq(json.encode(json.array {}), "[]")
  t.eq(json.encode({}), "{}")
  t.ok(json.is_array(json.decode("[]")))
  t.eq(json.is_array(json.decode("{}")), false)
end)
