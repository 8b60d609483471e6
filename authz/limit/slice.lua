-- Gives back what is left of a slice of a budget, as limit.lua or Windows keep it, and takes another. This text goes
-- behind clock.lua and kinds.lua.
-- KEYS[1]  the counter
-- ARGV[1]  see clock.lua
-- ARGV[2]  algorithm s|f|g|t, or w: a fixed window of Windows
-- ARGV[3]  the capacity; [4] the window in us; [5] the interval in us (g), or the number of the window since the epoch (w)
-- ARGV[6]  hits to take; 0: none
-- ARGV[7]  at most this share of what is left: 16 is a sixteenth
-- ARGV[8]  fewer than so many are not worth it
-- ARGV[9]  s and g: us from one end of slices to the next; what is taken ends at the first that is half of that away.
--          f, t and w: it ends with the window
-- ARGV[10] hits to give back; [11] which slice they are of
-- Returns what was taken, what remains for others, us until that grows, which slice it is, and us until it ends.

-- A fixed window as Windows keeps it: the hits, also those that were refused, in a counter that has its window in its name.
function kinds.w()
  local plain = {}

  function plain.load(s) s.index, s.used = s.interval, tonumber(redis.call('GET', s.key) or 0) end

  -- It outlasts the window by a second, as Windows has it: replicas' estimates of its end differ.
  function plain.save(s)
    if s.used > 0 then
      s.used = redis.call('INCRBY', s.key, string.format('%.0f', s.taken))
    else
      redis.call('SET', s.key, string.format('%.0f', s.taken), 'PX', math.max(0, math.ceil(plain.reset(s) / 1000)) + 1000 + grace)
      s.used = s.taken
    end
  end

  -- Never below what others have used: a counter that is gone, or smaller, lost its data.
  function plain.back(s, hits)
    if hits > s.used then return end
    s.taken = -hits
    plain.save(s)
  end

  function plain.remaining(s) return s.capacity - s.used end

  function plain.reset(s) return (s.index + 1) * s.window - now end
  return plain
end

local s = {
  key = KEYS[1], taken = 0, capacity = tonumber(ARGV[3]), window = tonumber(ARGV[4]), interval = tonumber(ARGV[5]),
  cell = tonumber(ARGV[9]),
}
local kind = kinds[ARGV[2]]()
kind.load(s)
if tonumber(ARGV[10]) > 0 then
  kind.back(s, tonumber(ARGV[10]), tonumber(ARGV[11]))
  s.taken = 0
end

local ends
if s.cell > 0 then
  cell = (math.floor(now / s.cell + 0.5) + 1) * s.cell
  ends = cell - now
else
  ends = (s.index + 1) * s.window - now
end

local left, least = math.max(0, kind.remaining(s)), tonumber(ARGV[8])
local share = math.floor(left / tonumber(ARGV[7]))
if least == 1 then share = math.max(share, math.min(1, left)) end
s.taken = math.min(tonumber(ARGV[6]), share)
-- Slices that end later are of a clock that has been set back since.
if s.taken < least or (kind.withheld and s.index > cell) then s.taken = 0 end
local took = s.taken
if took > 0 then kind.save(s) end

local remaining, reset = kind.remaining(s), kind.reset(s)
if kind.withheld and s.capacity > 0 then
  -- What the holder of the slice sees is not kept from the time before the end.
  local kept = s.tat
  s.tat = s.tat - kind.withheld(s)
  remaining = kind.remaining(s)
  reset = kept - now - (s.capacity - remaining - 1) * s.interval
end
return {took, math.max(0, remaining), math.max(0, math.ceil(reset)), s.index or 0, math.ceil(ends)}
