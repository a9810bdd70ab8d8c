import org.apache.beam.runners.core.StateTag;
import org.apache.beam.runners.core.StateTags;
import org.apache.beam.sdk.coders.Coder;
import org.apache.beam.sdk.coders.StringUtf8Coder;
import org.apache.beam.sdk.state.MapState;
import org.apache.beam.sdk.state.StateBinder;
import org.apache.beam.sdk.state.StateSpec;
import org.apache.beam.sdk.state.StateSpecs;
import org.apache.beam.sdk.state.ValueState;

/**
 * Where a reader's cursor waits between two bundles. Beam's Flink runner before apache/beam PR 39191
 * keeps each in a state of its own name, sdf_checkpoint:NUMBER, and never clears it: Flink knows
 * one state more for every self-checkpoint, and RocksDB has one column family more. Here all of
 * them are entries of one map, taken out when they are read.
 *
 * <p>The two classes of the runner that name the state call this class instead of StateTags
 * (devcluster/launcher.py), so a state looks like a value to them. A cursor of a savepoint that the
 * runner itself wrote is still found under its old name.
 */
public final class PaditResiduals {
  private static final String NAME = "padit_residuals";

  private PaditResiduals() {}

  /** The state of one residual; called in place of StateTags.value. */
  public static <T> StateTag<ValueState<T>> value(String id, Coder<T> coder) {
    return StateTags.tagForSpec(NAME, new Spec<T>(id, coder));
  }

  private static final class Spec<T> implements StateSpec<ValueState<T>> {
    private static final long serialVersionUID = 1L;
    private final String id;
    private final Coder<T> coder;

    Spec(String id, Coder<T> coder) {
      this.id = id;
      this.coder = coder;
    }

    @Override
    public ValueState<T> bind(String name, StateBinder binder) {
      StringUtf8Coder keys = StringUtf8Coder.of();
      MapState<String, T> all = binder.bindMap(name, StateSpecs.map(keys, coder), keys, coder);
      return new Entry<T>(id, all, () -> binder.bindValue(id, StateSpecs.value(coder), coder));
    }

    @Override
    public <R> R match(Cases<R> cases) {
      return cases.dispatchValue(coder);
    }

    @Override
    public void offerCoders(Coder[] coders) {}

    @Override
    public void finishSpecifying() {}
  }

  private static final class Entry<T> implements ValueState<T> {
    private final String id;
    private final MapState<String, T> all;
    private final java.util.function.Supplier<ValueState<T>> old;

    Entry(String id, MapState<String, T> all, java.util.function.Supplier<ValueState<T>> old) {
      this.id = id;
      this.all = all;
      this.old = old;
    }

    @Override
    public void write(T value) {
      all.put(id, value);
    }

    /** Takes the entry out: its timer fires once, and the next residual has another id. */
    @Override
    public T read() {
      T found = all.get(id).read();
      if (found != null) {
        all.remove(id);
        return found;
      }
      ValueState<T> before = old.get();
      T value = before.read();
      before.clear();
      return value;
    }

    @Override
    public void clear() {
      all.remove(id);
    }

    @Override
    public ValueState<T> readLater() {
      return this;
    }
  }
}
