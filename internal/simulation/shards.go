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
	sizeMin      = 20
	sizeMax      = 500_000
)

// organisations draws the sizes of organisations until there are so many users.
func organisations(users int) []int {
	random := rand.New(rand.NewPCG(seed, uint64(users)))
	var sizes []int
	for left := users; left > 0; {
		size := sizeMin * math.Pow(1-random.Float64()*(1-math.Pow(float64(sizeMin)/sizeMax, sizeExponent)), -1/sizeExponent)
		sizes = append(sizes, min(int(size), left))
		left -= sizes[len(sizes)-1]
	}
	return sizes
}

// unevenness is how many times the mean the largest of some shards has, if each organisation is cut into pieces of at most so many users and
// each piece is in a shard at random. One user a piece is sharding by user.
func unevenness(sizes []int, shards, piece int) float64 {
	random := rand.New(rand.NewPCG(seed, uint64(shards)))
	load := make([]float64, shards)
	total := 0.0
	for _, size := range sizes {
		total += float64(size)
		for left := size; left > 0; left -= piece {
			load[random.IntN(shards)] += float64(min(piece, left))
		}
	}
	return slices.Max(load) / (total / float64(shards))
}

const (
	listLength   = 50  // colleagues whom a page shows
	foreignShare = 0.1 // of them are of other organisations, anybody there with the same probability
)

// watched is the part of all users about whom anybody asks one of so many nodes, if the users of the pages are spread over the nodes at
// random, or if all of an organisation's pages ask the same node.
func watched(sizes []int, nodes int, together bool) float64 {
	users, known := 0.0, 0.0
	for _, size := range sizes {
		users += float64(size)
	}
	for _, size := range sizes {
		n := float64(size)
		if n < 2 {
			continue
		}
		readers := n / float64(nodes) // of the organisation at this node
		local := min(listLength*(1-foreignShare), n-1)
		missed := math.Exp(-(users / float64(nodes)) * listLength * foreignShare / users) // by the lists of all others
		nobody := math.Pow(1-local/n, readers) * missed
		if together { // the organisation is at this node with the probability 1/nodes, and then all of it
			nobody = (1-1/float64(nodes))*missed + math.Pow(1-local/n, n)*missed/float64(nodes)
		}
		known += n * (1 - nobody)
	}
	return known / users
}
