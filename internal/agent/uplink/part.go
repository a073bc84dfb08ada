package uplink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/plan"
	"hawser/internal/steps"
)

// verdict is how it stands with one part.
type verdict struct {
	phase   kubeovnv1.NodePhase
	reason  string
	message string
	step    string
	result  *nodeplan.Result // nil where there is no plan
	stands  []host.Uplink    // what is carried out, of this plan or an earlier one
	mended  []string         // what somebody else had undone
	notes   []string         // what people have to know of what stands

	// Of the uplinks that stand, by NIC:

	members map[string]host.MemberState      // of those in a bond
	ports   map[string]host.PortState        // of those in a spanning tree
	states  map[string]kubeovnv1.UplinkState // what each does
	taps    map[string]host.UplinkState      // of those that are shared
	wires   map[string]host.Probe            // what the networks behind those have answered
}

// settlePart plans, carries out what may be carried out, and reports. What stands
// follows its NIC whatever becomes of the plan: it goes on working while a new one
// waits, is refused, or lacks Open vSwitch. It does so first, because Settle does
// again without a word what somebody else has undone.
func (u *Uplinks) settlePart(ctx context.Context, s *scene, part *kubeovnv1.ProviderNetworkNode) error {
	stood := s.stands(part)
	follow, mended, lost := u.Edges.follow(ctx, stood)
	arranged := u.Edges.arrange(ctx, s, part)
	v, failed := u.judge(ctx, s, part, s.stands(part))
	v.mended = append(append(v.mended, mended...), s.adopted[part.Spec.ProviderNetwork]...)
	if len(v.stands) > 0 && (lost != nil || !slices.Equal(stood, v.stands)) {
		follow, mended, lost = u.Edges.follow(ctx, v.stands) // it was brought about, or changed
		v.mended = append(v.mended, mended...)
	}
	switch {
	case len(v.stands) == 0:
		follow, lost = nil, nil // nothing is left that could
	case lost != nil && v.phase != kubeovnv1.PhaseReady:
		v.stands = follow // the others do not, whatever the journal says
	}
	u.Edges.listen(&v)
	v.states = s.states(v)
	lost = errors.Join(lost, u.inform(ctx, s, &v, follow))
	u.standing.note(part.Spec.ProviderNetwork, v)
	return errors.Join(arranged, failed, lost, u.reporter().report(ctx, s, part, v))
}

// stands is what an earlier plan of a part's network has brought about, with its
// NICs as they are now: those that are there and are no others than they were. It
// is nothing where all is to go.
func (s *scene) stands(part *kubeovnv1.ProviderNetworkNode) (stands []host.Uplink) {
	entry := s.entries[part.Spec.ProviderNetwork]
	if !entry.Settled || part.DeletionTimestamp != nil {
		return nil
	}
	now, _ := nodeplan.Renew(entry.Plan, s.host)
	noted := entry.Plan.Uplinks()
	for i, up := range now.Uplinks() {
		if _, found := s.host.NIC(up); found && up.Index == noted[i].Index {
			stands = append(stands, up)
		}
	}
	return stands
}

// judge finds out how it stands with a part, and brings it on. An error is for
// what has to be tried again soon and is nobody's mistake.
func (u *Uplinks) judge(ctx context.Context, s *scene, part *kubeovnv1.ProviderNetworkNode, stands []host.Uplink) (verdict, error) {
	provider := part.Spec.ProviderNetwork
	if part.DeletionTimestamp != nil {
		if err := u.release(ctx, s, provider); err != nil {
			return verdict{phase: kubeovnv1.PhaseFailed, reason: reasonOf(err), message: err.Error()}, err
		}
		return verdict{phase: kubeovnv1.PhaseReleased, message: "nothing of ours is left on the NIC"}, nil
	}
	if !u.Edges.Switch.Connected() {
		return verdict{phase: kubeovnv1.PhasePending, stands: stands, reason: kubeovnv1.ReasonOVSUnavailable, message: "the Open_vSwitch database of this node cannot be reached, and all stays as it is: see the ovs-ovn pod on this node"}, nil
	}
	if err := u.Edges.finish(ctx, s, provider); err != nil {
		return verdict{phase: kubeovnv1.PhaseFailed, reason: reasonOf(err), message: err.Error()}, err
	}
	in := s.input(part, u.Options, u.Userspace())
	var err error
	if in.Lent, err = u.Edges.lent(ctx, s, part); err == nil {
		err = u.Edges.belongings(ctx, &in)
	}
	if err != nil {
		return verdict{phase: kubeovnv1.PhasePending, message: err.Error()}, err
	}
	result, problem := nodeplan.Plan(in)
	if problem != nil {
		v := refused(s.entries[provider], problem)
		v.stands = stands
		return v, nil
	}
	if v, wait := u.holds.waits(s.entries[provider], part, result, u.Now()); wait {
		v.stands = stands
		return v, nil
	}
	return u.carryOut(ctx, s, part, result)
}

func (s *scene) input(part *kubeovnv1.ProviderNetworkNode, options nodeplan.Options, userspace bool) nodeplan.Input {
	in := nodeplan.Input{
		Options: options, Node: part, Host: s.host, Managed: s.managed, Userspace: userspace,
		StandBy: standBy(s.rolesOf(part)), Stands: map[string]host.Plan{},
	}
	for provider, entry := range s.entries {
		in.Stands[provider] = entry.Plan
	}
	for _, other := range s.parts {
		if other.Name != part.Name && other.DeletionTimestamp == nil {
			in.Others = append(in.Others, other)
		}
	}
	return in
}

// refused tells of a mistake, or of a NIC that is not there. What stands from an
// earlier plan stays.
func refused(entry steps.Entry, problem *plan.Problem) verdict {
	v := verdict{phase: kubeovnv1.PhaseFailed, reason: string(problem.Reason), message: problem.Message}
	if v.reason == kubeovnv1.ReasonInterfaceNotFound {
		v.phase = kubeovnv1.PhasePending
	}
	if len(entry.Plan.Steps) > 0 {
		v.message += "; what was carried out before stays as it is"
	}
	return v
}

// waits tells whether a plan may not be carried out yet. One that is in the
// journal was approved once, and needs nobody to stand again after a boot.
func (h *holds) waits(entry steps.Entry, part *kubeovnv1.ProviderNetworkNode, result *nodeplan.Result, now time.Time) (verdict, bool) {
	hash := result.Plan.Hash()
	v := verdict{result: result}
	switch {
	case entry.Plan.Hash() == hash:
		return v, false
	case part.Spec.DryRun:
		v.phase, v.message = kubeovnv1.PhasePlanned, "this is a dry run: nothing is done"
	case part.Spec.ApprovedPlan != hash:
		v.phase, v.reason = kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn
		v.message = fmt.Sprintf("plan %s waits to be approved", hash)
	default:
		held, why := h.held(part.Spec.ProviderNetwork, hash, now)
		if !held {
			return v, false
		}
		v.phase, v.reason, v.message, v.step = kubeovnv1.PhaseRolledBack, why.reason, why.message, why.step
	}
	return v, true
}

// carryOut brings a plan about, or confirms it.
func (u *Uplinks) carryOut(ctx context.Context, s *scene, part *kubeovnv1.ProviderNetworkNode, result *nodeplan.Result) (verdict, error) {
	provider := part.Spec.ProviderNetwork
	v := verdict{result: result, phase: kubeovnv1.PhaseRunning, notes: result.Notes}
	rests, moved := u.drifts.note(provider, v, u.Now())
	if rests {
		return resting(result), nil
	}
	v.mended = moved
	if !s.entries[provider].Settled {
		if problem := u.Edges.unsupported(result); problem != "" {
			v.phase, v.reason, v.message = kubeovnv1.PhaseFailed, kubeovnv1.ReasonKernelUnsupported, problem
			return v, nil
		}
		if err := u.reporter().report(ctx, s, part, v); err != nil {
			return v, err
		}
		log.FromContext(ctx).Info("carrying out the plan of an uplink", "provider", provider, "plan", result.Plan.Text())
	}
	if err := u.Edges.settle(ctx, s, provider, result.Plan); err != nil {
		if entries, blind := u.Edges.Journal.Entries(); blind == nil {
			s.entries = entries // what stood stands still, or was rolled back
		}
		v.stands = s.stands(part)
		return u.holds.failed(provider, v, err, u.Now())
	}
	u.holds.forget(provider)
	v.phase, v.stands = kubeovnv1.PhaseReady, result.Uplinks
	return v, nil
}

func (e Edges) unsupported(result *nodeplan.Result) string {
	if !slices.ContainsFunc(result.Uplinks, isShared) {
		return ""
	}
	if err := e.Prober.Supported(); err != nil {
		return err.Error()
	}
	return ""
}

// failed tells of a plan that could not be carried out. Rolled back, it is tried
// again after a while; an outage on the way of what stands is tried again soon.
func (h *holds) failed(provider string, v verdict, err error, now time.Time) (verdict, error) {
	v.reason, v.message = reasonOf(err), err.Error()
	var step *steps.StepError
	if errors.As(err, &step) {
		v.step = step.Step.Text()
	}
	if errors.Is(err, steps.ErrRolledBack) {
		v.phase = kubeovnv1.PhaseRolledBack
		h.hold(provider, v, now)
		return v, nil
	}
	v.phase = kubeovnv1.PhaseFailed
	return v, err
}

func isShared(up host.Uplink) bool { return up.Attachment == host.AttachShared }

// follow has the shared uplinks that stand follow their NICs, and gives the uplinks
// that are well.
func (e Edges) follow(ctx context.Context, uplinks []host.Uplink) (follow []host.Uplink, mended []string, err error) {
	var errs []error
	for _, up := range uplinks {
		if isShared(up) {
			lines, err := e.Taps.Follow(ctx, up)
			mended = append(mended, lines...)
			if err != nil {
				errs = append(errs, fmt.Errorf("follow %s: %w", up.NIC, err))
				continue
			}
		}
		follow = append(follow, up)
	}
	return follow, mended, errors.Join(errs...)
}

// inform tells the programs which stations are behind the bridge, and asks them
// and the wires how they are.
func (u *Uplinks) inform(ctx context.Context, s *scene, v *verdict, uplinks []host.Uplink) error {
	v.taps, v.wires = map[string]host.UplinkState{}, map[string]host.Probe{}
	var errs []error
	for _, up := range uplinks {
		if !isShared(up) {
			continue
		}
		state, err := u.Edges.inform(ctx, up, s.behind(up, v.states[up.NIC]))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.taps[up.NIC] = state
		if !u.Silent {
			v.wires[up.NIC] = u.questions.about(up, state.Carrier, u.Now())
		}
	}
	return errors.Join(errs...)
}

// behind are the stations behind an uplink that is in some state. Behind one that
// stands by there is nobody.
func (s *scene) behind(up host.Uplink, state kubeovnv1.UplinkState) (stations host.Behind) {
	if up.Standby || up.RSTP && state == kubeovnv1.UplinkStandby {
		return stations
	}
	return behind(s.pods, up.Provider)
}

// inform is of one uplink.
func (e Edges) inform(ctx context.Context, up host.Uplink, stations host.Behind) (state host.UplinkState, err error) {
	if _, err := e.Taps.Keep(ctx, up, stations); err != nil {
		return state, fmt.Errorf("tell the uplink of %s which pods are behind it: %w", up.NIC, err)
	}
	if state, err = e.Taps.State(ctx, up); err != nil {
		return state, fmt.Errorf("look at the uplink of %s: %w", up.NIC, err)
	}
	return state, nil
}

// reasonOf is the one word for an error of a step.
func reasonOf(err error) string {
	var step *steps.StepError
	switch {
	case errors.Is(err, host.ErrKernelUnsupported), errors.Is(err, host.ErrTakeoverUnsupported):
		return kubeovnv1.ReasonKernelUnsupported
	case errors.Is(err, host.ErrConnectivityLost):
		return kubeovnv1.ReasonConnectivityLost
	case errors.As(err, &step) && isOfSwitch(step.Step.Action):
		return kubeovnv1.ReasonOVSUnavailable
	}
	return kubeovnv1.ReasonRolledBack
}

func isOfSwitch(action host.Action) bool {
	return action == host.ActionBridge || action == host.ActionJoin || action == host.ActionBond || action == host.ActionMapping
}
