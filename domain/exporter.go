package domain

// Exporter describes an exporter: an adapter that tells somebody outside what users are, whenever that changes.
type Exporter struct {
	// Name is the kind and this one's name, such as "webhook:crm", which no other exporter has. It reads as a service of this name.
	Name string

	// Settings is a digest of who is told, and of what. If it is not the same as at the last acknowledgement, everybody is told anew.
	Settings uint64
}

// Principal is who the exporter reads as.
func (e Exporter) Principal() Principal { return Principal{User: UserID(e.Name), Service: true} }

// MaxExporterName is the longest name of an exporter, in bytes.
const MaxExporterName = 64

// Position is up to where an exporter has told everything.
type Position struct {
	Exporter
	Revision Revision
}

// ExporterState says how an exporter is doing.
type ExporterState uint8

// The states of an exporter.
const (
	ExporterStandby  ExporterState = iota // it does not run here: another daemon runs it, or this one has not begun or is ending
	ExporterRunning                       // it tells what changes
	ExporterFailing                       // it cannot, and will try again
	ExporterDisabled                      // the receiver wants nothing any more: until the configuration is read anew
)

// ExporterStates are all states.
var ExporterStates = []ExporterState{ExporterStandby, ExporterRunning, ExporterFailing, ExporterDisabled}

var exporterStateNames = [...]string{
	ExporterStandby: "standby", ExporterRunning: "running", ExporterFailing: "failing", ExporterDisabled: "disabled",
}

// String returns the state in one word.
func (s ExporterState) String() string { return exporterStateNames[s] }
