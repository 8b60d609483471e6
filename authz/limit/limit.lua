-- Decides and counts all limits of one call at once. This text goes behind clock.lua, quick.lua and kinds.lua.
-- KEYS[i]   counter i; the same key may appear twice
-- ARGV[1]   see clock.lua
-- ARGV[2]   "all": count only if every limit that is no shadow admits; "each": every limit for itself
-- ARGV[3+6(i-1)...]  algorithm s|f|g|t|q|c, capacity, window in us, interval in us (g; q and c: see there), hits, shadow 0|1
-- Returns for each limit: allowed 0|1, remaining, us until remaining grows, us until the call would be admitted.
local each = ARGV[2] == 'each'
local made = {}
local states, items, refused = {}, {}, false

for i, key in ipairs(KEYS) do
  local a = 3 + 6 * (i - 1)
  local letter = ARGV[a]
  local kind = made[letter]
  if not kind then
    kind = kinds[letter]()
    made[letter] = kind
  end
  local s = states[key]
  if not s then
    s = {key = key, kind = kind, taken = 0}
    states[key] = s
  end
  s.capacity, s.window, s.interval = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  if not s.loaded then
    kind.load(s)
    s.loaded = true
  end
  local item = {state = s, hits = tonumber(ARGV[a + 4]), shadow = ARGV[a + 5] == '1'}
  item.allowed = kind.fits(s, item.hits)
  if item.allowed or (each and letter == 'f') then
    s.taken = s.taken + item.hits
    if kind.name then kind.name(s, ARGV[a + 3], item.hits) end
  elseif not item.shadow then
    refused = true
  end
  items[i] = item
end

for _, s in pairs(states) do
  if (refused and not each) or s.taken == 0 then s.taken = 0 else s.kind.save(s) end
end

local answer = {}
for _, item in ipairs(items) do
  local s = item.state
  local retry = 0
  if not item.allowed then
    retry = s.window
    if item.hits <= s.capacity then
      -- What is later still is of a clock that was set back.
      local wait = s.kind.retry(s, item.hits)
      if wait <= s.window + (s.kind.late and s.kind.late(s) or 0) then retry = math.max(0, wait) end
    end
  end
  answer[#answer + 1] = item.allowed and 1 or 0
  answer[#answer + 1] = math.max(0, s.kind.remaining(s))
  answer[#answer + 1] = math.max(0, math.ceil(s.kind.reset(s)))
  answer[#answer + 1] = math.ceil(retry)
end
return answer
