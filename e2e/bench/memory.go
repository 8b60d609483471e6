package main

import "gatehouse/e2e/pack"

func holdMemory(t pack.TB, requests, updates, connections int) {}
