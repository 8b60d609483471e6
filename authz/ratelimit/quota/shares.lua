-- Deals out a limit's shares.
-- KEYS[1]  the bucket's shares: a hash, holder -> "<share> <demand> <expires, ms>"
-- ARGV     limit, holder, demand per window, time to live in ms, now in ms or 0: Redis's clock
-- Returns the holder's share.
local limit, holder, demand, ttl, now = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local held, others, asked = 0, 0, demand
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local share, wants, expires = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
  if tonumber(expires) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= holder then
    held, others, asked = held + tonumber(share), others + 1, asked + tonumber(wants)
  end
end

-- By demand; and who asks for nothing yet keeps enough to begin with.
local even = limit / (others + 1)
local wish = even
if asked > 0 then wish = math.max(limit * demand / asked, even / 10) end
local share = math.max(0, math.min(math.floor(wish), limit - held))

redis.call('HSET', KEYS[1], holder, string.format('%.0f %.0f %.0f', share, demand, now + ttl))
-- The others' shares may live longer.
if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
return share
