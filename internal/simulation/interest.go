package main

import "math"

// Who shows whom is assumed, too. Everybody who has a page open shows a list: so many draws, each from the own organisation or from all. In each
// organisation few are in very many lists: the one at the part x of the ranking is drawn with a probability that goes with 1/sqrt(x),
// which gives the number of lists that somebody is in a heavy tail (density d^-3, as preferential attachment does).
const (
	viewing      = 0.5    // of the users have a page open
	askEvery     = minute // by which a page that does not follow the events asks about its list
	foreignShare = 0.1    // of the draws are from all
	listExponent = 1.5    // of the power law of the number of draws
	listMin      = 20.0
	listMax      = 1000.0
)

// steps is into how many parts that are equally frequent popularity and the number of draws are divided.
const steps = 32

var draws, popularity = func() (draws, popularity [steps]float64) {
	for i := range steps {
		draws[i] = pareto(listExponent, listMin, listMax, (float64(i)+0.5)/steps)
		popularity[i] = steps * (math.Sqrt(float64(i+1)/steps) - math.Sqrt(float64(i)/steps)) // times the mean
	}
	return draws, popularity
}()

func mean(numbers [steps]float64) (m float64) {
	for _, n := range numbers {
		m += n / steps
	}
	return m
}

// routing is where pages go.
type routing int

const (
	anywhere routing = iota // each page to any node
	together                // the pages of an organisation to one node, whoever holds its users
	home                    // to a node that holds the organisation's users anyhow, so only others are asked about
)

// asked is the part of all users about whom pages ask one of so many nodes, on average.
func asked(sizes []int, nodes int, r routing) float64 {
	n := float64(nodes)
	var foreign [steps]float64 // nobody of all who ask this node has drawn somebody of that popularity from all
	for i, p := range popularity {
		foreign[i] = math.Exp(-p * mean(draws) * foreignShare * viewing / n)
	}
	if r == home {
		return 1 - mean(foreign)
	}
	unasked, users := 0.0, 0.0
	ofSize := map[int]float64{}
	for _, size := range sizes {
		part, known := ofSize[size]
		if !known {
			part = unaskedOf(float64(size), n, r, foreign)
			ofSize[size] = part
		}
		unasked, users = unasked+part*float64(size), users+float64(size)
	}
	return 1 - unasked/users
}

// unaskedOf is the part of an organisation's users about whom nobody asks a node.
func unaskedOf(size, nodes float64, r routing, foreign [steps]float64) float64 {
	var nobody [steps]float64
	for i, p := range popularity {
		missed := 0.0 // by the list of one colleague
		for _, d := range draws {
			missed += math.Exp(-p*d*(1-foreignShare)/size) / steps
		}
		if r == anywhere {
			nobody[i] = foreign[i] * math.Pow(1-viewing/nodes*(1-missed), size)
		} else {
			nobody[i] = foreign[i] * (1 - 1/nodes + math.Pow(1-viewing*(1-missed), size)/nodes)
		}
	}
	return mean(nobody)
}

// held is the part of all users whom a node holds: those of its journals, and of the others whom it is asked about. Uneven is how many times
// the mean its journals have.
func held(sizes []int, nodes int, r routing, uneven float64) float64 {
	own := min(1, uneven*homes/float64(nodes))
	return own + (1-own)*asked(sizes, nodes, r)
}
