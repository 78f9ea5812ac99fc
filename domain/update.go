package domain

// Update is a request to set a user's presence on one protocol, as a client wrote it: nothing in it has been checked yet.
type Update struct {
	User     string
	Protocol string
	Status   string
	Message  string
}
