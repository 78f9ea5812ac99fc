package app

// put puts a token into a channel that holds one, if there is none yet. It does not block.
func put(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
