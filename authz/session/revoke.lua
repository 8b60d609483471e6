-- Ends one session, and with it what it replaced or was replaced by.
-- ARGV [1] now, [2] floor, [3] its id, or the id's first 8 bytes
-- Returns {verdict, id, record, user, name, tenant, device}: "revoked" if it was live until now, else "none".
local now, floor, g = tonumber(ARGV[1]), tonumber(ARGV[2]), generation()
local list, found = all(), nil
for _, e in ipairs(list) do
  if string.sub(e[1], 1, #ARGV[3]) == ARGV[3] then found = e end
end
if not found or standing(found[3], now, g, floor) ~= 'live' then return {'none'} end
local out = answer('revoked', found[1], found[2])
local function next_of(e) return has(e[3], REPLACED) and string.sub(e[2], 41, 48) or '' end
local mine = {[string.sub(found[1], 1, 8)] = true}
-- A chain has as many links as there were rotations within the grace: few.
for _ = 1, #list do
  local grew = false
  for _, e in ipairs(list) do
    local short, after = string.sub(e[1], 1, 8), next_of(e)
    if mine[short] and after ~= '' and not mine[after] then mine[after], grew = true, true end
    if after ~= '' and mine[after] and not mine[short] then mine[short], grew = true, true end
  end
  if not grew then break end
end
for _, e in ipairs(list) do
  if mine[string.sub(e[1], 1, 8)] and not has(e[3], ENDED) then finish(e[1], e[2], now, 0) end
end
return out
