package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// Sizes of organisations follow a power law with the exponent that firms have (R. L. Axtell, Zipf Distribution of U.S. Firm Sizes,
	// Science 293, 2001: 1.059).
	sizeExponent = 1.059
	sizeMin      = 20.0
	sizeMax      = 500_000.0
)

// pareto is where a power law between two bounds has the given part above it.
func pareto(exponent, low, high, part float64) float64 {
	return low * math.Pow(1-(1-part)*(1-math.Pow(low/high, exponent)), -1/exponent)
}

// organisations draws the sizes of organisations until there are so many users.
func organisations(users int) []int {
	random := rand.New(rand.NewPCG(seed, uint64(users)))
	var sizes []int
	for left := users; left > 0; left -= sizes[len(sizes)-1] {
		sizes = append(sizes, min(int(pareto(sizeExponent, sizeMin, sizeMax, random.Float64())), left))
	}
	return sizes
}

// spread puts organisations into shards at random, in pieces of at most so many users, and returns how many users each shard has. One user
// a piece is sharding by user.
func spread(sizes []int, shards, piece int) []int {
	random := rand.New(rand.NewPCG(seed, uint64(shards)))
	load := make([]int, shards)
	for _, size := range sizes {
		for left := size; left > 0; left -= piece {
			load[random.IntN(shards)] += min(piece, left)
		}
	}
	return load
}

// unevenness is how many times the mean the largest has.
func unevenness(load []int) float64 {
	total := 0
	for _, n := range load {
		total += n
	}
	return float64(slices.Max(load)*len(load)) / float64(total)
}
