//! In which span a value was recorded: OpenTelemetry's current one, where it is sampled.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::thread::{Ids, set_span};

/// Has metrics with `exemplars` ask OpenTelemetry's context, from now on.
pub fn follow_spans() {
    set_span(current);
}

/// Made after the thread's context, and so dropped before it: from then on the context is not asked, which panics when it is no more.
struct Before;

impl Drop for Before {
    fn drop(&mut self) {}
}

thread_local!(static BEFORE: Before = {
    Context::map_current(|_| ());
    Before
});

fn current() -> Option<Ids> {
    BEFORE.try_with(|_| ()).ok()?;
    Context::map_current(|context| {
        let span = context.span();
        let ids = span.span_context();
        let is_recorded = ids.is_valid() && ids.is_sampled();
        is_recorded.then(|| (ids.trace_id().to_bytes(), ids.span_id().to_bytes()))
    })
}
