-- What most calls that are asked of Redis are: sliding windows and GCRA limits of different counters, all of which admit.
-- The arithmetic is that of kinds.s and kinds.g, without what they need for other cases; what is anything else, nothing has
-- been written of, and the text after this one decides it. The arguments are those of limit.lua.
local function quickly()
  if ARGV[2] == 'each' then return nil end
  local found, lengths = {}, {}
  for i, key in ipairs(KEYS) do
    local a = 3 + 6 * (i - 1)
    local letter, capacity, hits = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 4])
    for j = 1, i - 1 do if KEYS[j] == key then return nil end end
    if letter == 'g' then
      local interval = tonumber(ARGV[a + 3])
      local stored = tonumber(redis.call('GET', key) or 0)
      if not stored or capacity == 0 then return nil end -- not a number: slices are out
      local tat = math.max(now, stored) + hits * interval
      if hits > capacity or tat - now > capacity * interval then return nil end
      found[i] = tat
    elseif letter == 's' and hits == 1 then
      local head = tonumber(redis.call('LINDEX', key, 0) or now)
      if head <= now - tonumber(ARGV[a + 2]) then return nil end
      lengths[i] = redis.call('LLEN', key)
      if lengths[i] >= capacity then return nil end
      found[i] = head
    else
      return nil
    end
  end
  local answer, n = {}, 0
  for i, key in ipairs(KEYS) do
    local a = 3 + 6 * (i - 1)
    local capacity, interval, remaining, reset = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3]), 0, 0
    if lengths[i] then
      local window, at = tonumber(ARGV[a + 2]), now
      if lengths[i] > 0 then at = math.max(now, tonumber(redis.call('LINDEX', key, -1))) end
      redis.call('RPUSH', key, at)
      redis.call('PEXPIRE', key, math.ceil((at - now + window) / 1000) + grace)
      remaining, reset = capacity - lengths[i] - 1, found[i] + window - now
    else
      local tat = found[i]
      if ARGV[a + 4] ~= '0' then
        redis.call('SET', key, string.format('%.2f', tat), 'PX', math.ceil((tat - now) / 1000) + 1 + grace)
      end
      remaining = math.floor((capacity * interval - (tat - now)) / interval)
      if tat > now then reset = math.max(0, math.ceil((tat - now) - (capacity - remaining - 1) * interval)) end
    end
    answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = 1, math.max(0, remaining), reset, 0
    n = n + 4
  end
  return answer
end

local quick = quickly()
if quick then return quick end
